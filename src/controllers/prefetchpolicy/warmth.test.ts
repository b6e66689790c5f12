import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BlobState } from '../../dragonfly/provider.ts';
import type { PlannedImage } from '../../warming/plan.ts';
import { bytesThere, isStillWarm, warmth } from './warmth.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const A = `sha256:${'a'.repeat(64)}`;
const B = `sha256:${'b'.repeat(64)}`;

const planned: PlannedImage = {
  image: `registry.test/web:1@${A}`,
  digest: A,
  platform: 'linux/amd64',
  bytes: 30,
  warm: {
    manifestUrl: `https://registry.test/v2/web/manifests/${A}`,
    platform: 'linux/amd64',
    blobs: [A, B].map((digest) => ({
      registry: 'registry.test',
      repository: 'web',
      digest,
      size: 15,
      url: `https://registry.test/v2/web/blobs/${digest}`,
    })),
  },
};

function state(digest: string, seed: string, warm: boolean): BlobState {
  return warm ? { digest, seed, warm } : { digest, seed, warm, reason: 'Evicted', message: 'gone' };
}

test('an image is Warm when every seed has every blob', () => {
  const image = warmth(
    planned,
    [state(A, 's1', true), state(B, 's1', true), state(A, 's2', true), state(B, 's2', true)],
    NOW,
  );
  assert.deepEqual([image.state, image.blobs, image.verifiedAt], ['Warm', { total: 2, warm: 2 }, NOW.toISOString()]);
});

test('one seed without one blob is enough for NotWarm, with its reason', () => {
  const image = warmth(
    planned,
    [state(A, 's1', true), state(B, 's1', true), state(A, 's2', true), state(B, 's2', false)],
    NOW,
  );
  assert.deepEqual(
    [image.state, image.blobs, image.reason, image.verifiedAt],
    ['NotWarm', { total: 2, warm: 1 }, 'Evicted', undefined],
  );
});

test('a blob that no seed answered for is not warm', () => {
  assert.equal(warmth(planned, [state(A, 's1', true)], NOW).state, 'NotWarm');
});

test('a verification counts for a while, for the very same reference, and on all platforms', () => {
  const image = warmth(planned, [state(A, 's1', true), state(B, 's1', true)], NOW);
  const later = new Date(NOW.getTime() + 59_000);
  assert.equal(isStillWarm([image], [image.image], 60_000, later), true);
  assert.equal(isStillWarm([image], [image.image], 60_000, new Date(NOW.getTime() + 60_000)), false);
  assert.equal(isStillWarm([image], [image.image, 'registry.test/web:2'], 60_000, later), false);
  const cold = { ...image, platform: 'linux/arm64', state: 'NotWarm' as const };
  assert.equal(isStillWarm([image, cold], [image.image], 60_000, later), false);
});

test('it is told what each seed has, those that lack something first', () => {
  const states = [state(A, 's1', true), state(B, 's1', true), state(A, 's2', true), state(B, 's2', false)];
  const image = warmth(planned, states, NOW);
  assert.deepEqual(image.seeds, [
    { name: 's2', blobs: 1, bytes: 15, reason: 'Evicted' },
    { name: 's1', blobs: 2, bytes: 30 },
  ]);
  assert.equal(bytesThere([image]), 15, 'what every seed has');
  assert.equal(bytesThere([image], 1), 45, 'with one copy of each blob all that is there');
});
