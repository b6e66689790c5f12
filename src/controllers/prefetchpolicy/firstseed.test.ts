import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { holdingPolicy } from '../../../test/support/holding.ts';
import { NOW } from '../../../test/support/rewriting.ts';
import { recordFirstSeeds, type FirstSeeds } from './firstseed.ts';
import type { PlannedImage } from '../../warming/plan.ts';

const [known] = holdingPolicy().status?.images ?? [];
const blob = { registry: 'r', repository: 'web', digest: 'd', size: 1, url: 'http://r' };
const planned = {
  ...known,
  warm: { manifestUrl: '', platform: 'linux/amd64', blobs: [blob, blob] },
} as unknown as PlannedImage;

function start(
  policy = holdingPolicy(),
  write?: () => Promise<void>,
): { seeds: FirstSeeds; written: (string | undefined)[] } {
  const draft = structuredClone(policy.status ?? {});
  const written: (string | undefined)[] = [];
  const seeds = recordFirstSeeds({ policy, draft }, new FakeClock(NOW), async () => {
    written.push(draft.images?.[0]?.firstSeedAt);
    await write?.();
  });
  return { seeds, written };
}

test('that one seed peer has all of an image is written once, when it has', async () => {
  const { seeds, written } = start();
  seeds.progress(planned, { blobs: 1, bytes: 1 });
  seeds.progress(planned, { blobs: 2, bytes: 2 });
  seeds.progress(planned, { blobs: 2, bytes: 2 });
  await seeds.end();
  assert.deepEqual(written, [NOW.toISOString()]);
});

test('nothing is written after the end, when the status says something else', async () => {
  const { seeds, written } = start();
  await seeds.end();
  seeds.progress(planned, { blobs: 2, bytes: 2 });
  await seeds.end();
  assert.deepEqual(written, []);
});

test('a policy that does not hold costs no write, and a write that fails does not end the warm', async () => {
  const policy = holdingPolicy({ spec: { hold: undefined } });
  const { seeds, written } = start(policy);
  seeds.progress(planned, { blobs: 2, bytes: 2 });
  await seeds.end();
  assert.deepEqual(written, []);
  const failing = start(holdingPolicy(), () => Promise.reject(new Error('refused')));
  failing.seeds.progress(planned, { blobs: 2, bytes: 2 });
  await failing.seeds.end();
  assert.equal(failing.written.length, 1);
});
