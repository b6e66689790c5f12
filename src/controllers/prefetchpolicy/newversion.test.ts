import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage, prefetchPolicy } from '../../../test/gen/objects.ts';
import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import type { PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import { keysForArtifact, newVersionSign, nextArtifacts } from './newversion.ts';

const HEX = { 1: '1'.repeat(64), 2: '2'.repeat(64) } as const;

function converted(
  tag: string,
  version: 1 | 2,
  overrides: { namespace?: string; ready?: string } = {},
): AcceleratedImage {
  const digest = `sha256:${HEX[version]}`;
  const { namespace = 'team-a', ready = 'True' } = overrides;
  return acceleratedImage(`web-${tag}`, {
    metadata: { namespace },
    spec: { source: { image: `registry.test/web:${tag}` } },
    status: {
      artifact: {
        image: `registry.test/web:${tag}-nydus@${digest}`,
        digest,
        sourceDigest: digest,
        format: 'RafsV6',
        builder: 'v2.2.0',
        convertedAt: `2026-01-0${version}T00:00:00Z`,
        platforms: [],
      },
      conditions: [
        { type: 'Ready', status: ready, reason: 'Ready', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
      ],
    },
  });
}

function warmed(...images: string[]): PrefetchPolicyStatus {
  return {
    images: images.map((image) => ({
      image,
      digest: `sha256:${HEX[1]}`,
      platform: 'linux/amd64',
      state: 'Warm',
      blobs: { total: 1, warm: 1 },
      bytes: 1,
    })),
  };
}

test('the newest artifact of the same repository is where a rollout may go next', () => {
  const images = [converted('1', 1), converted('2', 2)];
  assert.deepEqual(nextArtifacts(['registry.test/web:1', 'registry.test/sidecar:9'], images), [
    `registry.test/web:2-nydus@sha256:${HEX[2]}`,
  ]);
  assert.deepEqual(nextArtifacts(['registry.test/other:1'], images), []);
  assert.deepEqual(nextArtifacts(['registry.test/web:1'], [converted('2', 2, { ready: 'False' })]), []);
});

test('an image that was warm once is not new, also when it was evicted', () => {
  assert.equal(newVersionSign(['a'], warmed('a'), 1), undefined);
  assert.equal(newVersionSign(['a', 'b'], warmed('a'), 1)?.trigger, 'NewVersion');
  assert.equal(newVersionSign(['a'], {}, 1)?.reason, 'NewArtifact');
});

test('a new image stays new until its warm is verified', () => {
  const status = warmed('a');
  const images = status.images?.map((image) => ({ ...image, state: 'NotWarm' as const }));
  const decision = {
    trigger: 'NewVersion' as const,
    reason: 'NewArtifact',
    message: '',
    at: '2026-01-01T00:00:00Z',
    currentReplicas: 1,
    expectedReplicas: 1,
  };
  assert.ok(newVersionSign(['a'], { images, decision }, 1));
  assert.equal(newVersionSign(['a'], { images, decision: { ...decision, outcome: 'Prepared' } }, 1), undefined);
});

test('a new artifact wakes the policies that ask for it, in reach and of its repository', () => {
  const triggers = { newVersion: true };
  const policies = [
    prefetchPolicy('asks', { spec: { triggers }, status: warmed('registry.test/web:1-nydus') }),
    prefetchPolicy('first', { spec: { triggers } }),
    prefetchPolicy('other', { spec: { triggers }, status: warmed('registry.test/other:1') }),
    prefetchPolicy('does-not', { status: warmed('registry.test/web:1-nydus') }),
    prefetchPolicy('elsewhere', { metadata: { namespace: 'team-b' }, spec: { triggers } }),
  ];
  const woken = (object: AcceleratedImage): string[] =>
    keysForArtifact({ type: 'updated', old: acceleratedImage('web'), object }, policies, 'slipstream-system');
  assert.deepEqual(woken(converted('2', 2)), ['team-a/asks', 'team-a/first']);
  assert.deepEqual(woken(converted('2', 2, { namespace: 'slipstream-system' })), [
    'team-a/asks',
    'team-a/first',
    'team-b/elsewhere',
  ]);
  const same = converted('2', 2);
  assert.deepEqual(keysForArtifact({ type: 'updated', old: same, object: same }, policies, 'slipstream-system'), []);
});
