import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import { giveUpOrRetry } from './conversion-job.ts';
import type { Dependencies, Pass } from './pass.ts';

const NOW = new Date('2026-01-01T12:00:00Z');
const identity = { hash: 'h', optionsHash: 'o', jobName: 'slipstream-convert-h' };

/** What becomes of a Job that failed for good so many seconds ago, and the Jobs that were deleted. */
async function after(reason: string, seconds: number) {
  const deleted: string[] = [];
  const image = acceleratedImage('web', { spec: { source: { image: 'registry.test/web:1', interval: '24h' } } });
  const pass = { image, status: {}, signal: new AbortController().signal } as Pass;
  const client = { delete: async (_: unknown, { name }: { name: string }) => void deleted.push(name) };
  const deps = { clock: { now: () => NOW }, client } as unknown as Dependencies;
  const finishedAt = new Date(NOW.getTime() - seconds * 1000);
  const failure = { phase: 'Failed', reason, message: 'no', permanent: true, finishedAt } as const;
  const outcome = await giveUpOrRetry(pass, deps, identity, failure).then(
    () => 'again',
    (error: { kind: string }) => error.kind,
  );
  return [outcome, deleted];
}

test('a Job whose credentials were refused has a new one after five minutes, which mounts the Secret as it is then', async () => {
  assert.deepEqual(await after('CredentialsRejected', 1), ['waiting', []]);
  assert.deepEqual(await after('CredentialsRejected', 301), ['again', [identity.jobName]]);
});

test('what a person must mend in the image or the spec is not tried again', async () => {
  assert.deepEqual(await after('ConversionFailed', 301), ['stalled', []]);
});
