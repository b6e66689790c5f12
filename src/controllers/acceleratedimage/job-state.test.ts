import assert from 'node:assert/strict';
import { test } from 'node:test';
import { job, pod } from '../../../test/gen/objects.ts';
import { jobState, newestProgress } from './job-state.ts';

const DIGEST = `sha256:${'d'.repeat(64)}`;
const SUCCESS = {
  ok: true,
  digest: DIGEST,
  image: `registry.test/web:1-nydus@${DIGEST}`,
  sourceDigest: DIGEST,
  builder: 'v2.2.0',
  platforms: [{ platform: 'linux/amd64', digest: DIGEST, sourceDigest: DIGEST, size: 10, bootstrapSize: 1 }],
  timings: { pull: 1, build: 2, push: 3, total: 4 },
  bytesRead: 20,
  bytesPushed: 10,
  layers: { total: 1, reused: 0 },
  chunks: { deduplicated: 0, bytesDeduplicated: 0, bytesNew: 4096 },
};

function finished(type: 'Complete' | 'Failed', message = ''): ReturnType<typeof job> {
  return job('j', {
    status: { conditions: [{ type, status: 'True', message, lastTransitionTime: '2026-01-01T00:01:00Z' }] },
  });
}

function ended(name: string, createdAt: string, message: unknown): ReturnType<typeof pod> {
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  return pod(name, {
    metadata: { creationTimestamp: createdAt },
    status: { containerStatuses: [{ state: { terminated: { message: text, exitCode: 1, reason: 'Error' } } }] },
  });
}

test('a Job without a final condition is running, even if a Pod of it has ended', () => {
  const state = jobState(job('j'), [ended('p', '2026-01-01T00:00:00Z', SUCCESS)]);
  assert.equal(state.phase, 'Running');
});

test('the result of a complete Job is the termination message of the Pod that succeeded', () => {
  const failure = { ok: false, reason: 'RateLimited', message: 'slow down', permanent: false };
  const state = jobState(finished('Complete'), [
    ended('a', '2026-01-01T00:00:00Z', failure),
    ended('b', '2026-01-01T00:00:30Z', SUCCESS),
  ]);
  assert.equal(state.phase === 'Succeeded' && state.result.digest, DIGEST);
});

test('a failed Job carries the reason of its newest Pod', () => {
  const older = { ok: false, reason: 'RegistryUnreachable', message: 'no answer', permanent: false };
  const newer = { ok: false, reason: 'SourceNotAnImage', message: 'a chart', permanent: true };
  const state = jobState(finished('Failed'), [
    ended('a', '2026-01-01T00:00:00Z', older),
    ended('b', '2026-01-01T00:00:30Z', newer),
  ]);
  assert.deepEqual(state.phase === 'Failed' && [state.reason, state.message, state.permanent], [
    'SourceNotAnImage',
    'a chart',
    true,
  ]);
});

test('a worker that was killed leaves no result, and the message says how it ended', () => {
  const state = jobState(finished('Failed', 'Job has reached the specified backoff limit'), [
    ended('a', '2026-01-01T00:00:00Z', '{"ok":'),
  ]);
  assert.ok(state.phase === 'Failed' && /backoff limit.*Error \(1\)/.test(state.message));
});

test('a complete Job whose Pods are gone is a failure that is tried again, not a success', () => {
  const state = jobState(finished('Complete'), []);
  assert.deepEqual(state.phase === 'Failed' && state.permanent, false);
});

test('progress is read from the newest whole line, and anything else in the log is passed over', () => {
  const line = (done: number): string =>
    JSON.stringify({ level: 'info', progress: { bytesDone: done, bytesTotal: 100, percent: done } });
  assert.equal(newestProgress([line(10), line(42), 'Warning: x', '{"progress":{"bytesDo'].join('\n'))?.bytesDone, 42);
  assert.equal(newestProgress(''), undefined);
});
