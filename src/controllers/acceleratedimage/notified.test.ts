import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import type { Change } from '../../runtime/store.ts';
import { followNotifications, isNotified } from './notified.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

function image(at: string | undefined, notifiedAt?: string, conditions: object[] = []): AcceleratedImage {
  return acceleratedImage('web', {
    status: {
      ...(at === undefined ? {} : { notification: { at } }),
      source: {
        image: 'registry.test/web:1',
        digest: DIGEST,
        resolvedAt: '2026-01-01T00:00:00Z',
        ...(notifiedAt === undefined ? {} : { notifiedAt }),
      },
      conditions,
    },
  });
}

/** What changes of an object make of the queue: after how many milliseconds it is looked at, each time. */
async function delays(
  ...steps: (readonly [AcceleratedImage, AcceleratedImage, afterMs?: number])[]
): Promise<number[]> {
  const clock = new FakeClock();
  const asked: number[] = [];
  let tell: (change: Change<AcceleratedImage>) => void = () => undefined;
  followNotifications(
    { onChange: (handler) => void (tell = handler) },
    { enqueueAfter: (key, ms) => void (key === 'team-a/web' && asked.push(ms)) },
    clock,
  );
  for (const [old, object, afterMs = 0] of steps) {
    await clock.advance(afterMs);
    tell({ type: 'updated', old, object });
  }
  return asked;
}

test('a notification holds until the registry was asked after it, whatever the clocks of the replicas say', () => {
  assert.equal(isNotified(image(undefined)), false);
  assert.equal(isNotified(image('2026-01-01T00:00:09Z')), true);
  assert.equal(isNotified(image('2026-01-01T00:00:09Z', '2026-01-01T00:00:09Z')), false);
  assert.equal(isNotified(image('2025-12-31T23:59:59Z', '2026-01-01T00:00:09Z')), true);
});

test('an object is looked at at once, and then once a second however many come', async () => {
  const marks = ['1', '2', '3', '4'].map((second) => image(`2026-01-01T00:00:0${second}Z`));
  const [a = image('a'), b = a, c = a, d = a] = marks;
  assert.deepEqual(await delays([image(undefined), a], [a, b, 100], [b, c, 100]), [0, 900, 1800]);
  assert.deepEqual(await delays([image(undefined), a], [a, d, 1000]), [0, 0]);
});

test('other changes of an object are none, nor is the answer to a notification', async () => {
  const mark = image('2026-01-01T00:00:01Z');
  const answered = image('2026-01-01T00:00:01Z', '2026-01-01T00:00:01Z');
  assert.deepEqual(await delays([mark, answered], [answered, answered], [mark, mark]), []);
});

test('a registry that asked for patience is not asked before', async () => {
  const limited = [
    {
      type: 'Reconciling',
      status: 'True',
      reason: 'RateLimited',
      message: 'Wait 60s',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    },
  ];
  assert.deepEqual(await delays([image(undefined), image('2026-01-01T00:00:01Z', undefined, limited)]), []);
});
