import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { stalled, waiting } from '../reconcile-error.ts';
import { summarise } from './summary.ts';
import type { Verdict } from './summary.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const OLD = `sha256:${'1'.repeat(64)}`;
const NEW = `sha256:${'2'.repeat(64)}`;

function drafted(sourceDigest: string): AcceleratedImageStatus {
  return {
    source: { image: 'registry.test/web:1', digest: NEW, resolvedAt: NOW.toISOString() },
    artifact: {
      image: `registry.test/web:1-nydus@${OLD}`,
      digest: OLD,
      sourceDigest,
      format: 'RafsV6',
      builder: 'v2.2.0',
      convertedAt: NOW.toISOString(),
      platforms: [{ platform: 'linux/amd64', digest: OLD, size: 5 * 1024 * 1024, bootstrapSize: 1024 }],
    },
  };
}

function conditions(draft: AcceleratedImageStatus, verdict: Verdict): Record<string, string> {
  const status = summarise(acceleratedImage('web'), draft, verdict, NOW);
  return Object.fromEntries(
    (status.conditions ?? []).map(({ type, status: value, reason }) => [type, `${value} ${reason}`]),
  );
}

const converting: Verdict = { kind: 'reconciling', reason: 'Converting', message: '10%' };
const unreachable: Verdict = { kind: 'failed', error: waiting('RegistryUnreachable', 'no answer', 1000) };

test('a verified artifact is Ready, and nothing else is said', () => {
  assert.deepEqual(conditions(drafted(NEW), { kind: 'done' }), { Ready: 'True Ready' });
});

test('before the first artifact, Ready and Reconciling name what is going on', () => {
  assert.deepEqual(conditions({}, converting), { Ready: 'False Converting', Reconciling: 'True Converting' });
});

test('when the tag has moved, the old artifact is not Ready: new Pods must get what the tag now means', () => {
  assert.deepEqual(conditions(drafted(OLD), converting), { Ready: 'False Converting', Reconciling: 'True Converting' });
});

test('a registry that does not answer leaves a verified artifact Ready and says so', () => {
  assert.deepEqual(conditions(drafted(NEW), unreachable), {
    Ready: 'True Ready',
    Reconciling: 'True RegistryUnreachable',
  });
});

test('what only a person can mend is Stalled and not Reconciling', () => {
  const verdict: Verdict = { kind: 'failed', error: stalled('SourceNotAnImage', 'a chart') };
  assert.deepEqual(conditions({}, verdict), { Ready: 'False SourceNotAnImage', Stalled: 'True SourceNotAnImage' });
});

test('the printer columns are for people', () => {
  const status = summarise(acceleratedImage('web'), drafted(NEW), { kind: 'done' }, NOW);
  assert.equal(status.summary?.nydus, '5.00 MiB');
});

test('a generation is observed once a pass over it has ended', () => {
  const image = acceleratedImage('web', { metadata: { generation: 7 } });
  assert.equal(summarise(image, {}, converting, NOW).observedGeneration, undefined);
  assert.equal(summarise(image, drafted(NEW), { kind: 'done' }, NOW).observedGeneration, 7);
});
