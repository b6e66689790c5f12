import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, newPod } from '../../test/support/scaleout.ts';
import { trackPods, type PodTracker } from './tracker.ts';

function tracker(now = at('00:50.123')): PodTracker {
  return trackPods({ now: () => new Date(now), fromMs: Date.parse(at('00:44')), onChange: () => undefined });
}

test('what a list has keeps the times that were recorded; what a change brings was seen just now', () => {
  const tracked = tracker();
  tracked.replace([newPod('a', { created: '00:45' })]);
  tracked.upsert(newPod('a', { created: '00:45', ready: '00:50' }));
  const [pod] = tracked.pods();
  assert.deepEqual(pod?.created, { ms: Date.parse(at('00:45')), whole: true });
  assert.deepEqual(pod?.ready, { ms: Date.parse(at('00:50.123')), whole: false });
});

test('Pods that were there before are passed over', () => {
  const tracked = tracker();
  tracked.replace([newPod('old', { created: '00:43' })]);
  tracked.upsert(newPod('old', { created: '00:43', ready: '00:50' }));
  assert.deepEqual(tracked.pods(), []);
});

test('a Pod that was deleted is kept as gone, also when the watch missed it', () => {
  const tracked = tracker();
  tracked.replace([newPod('a', { created: '00:45' }), newPod('b', { created: '00:45' })]);
  tracked.delete(newPod('a', { created: '00:45' }));
  tracked.replace([]);
  assert.deepEqual(
    tracked.pods().map(({ name, gone }) => [name, gone]),
    [
      ['a', true],
      ['b', true],
    ],
  );
});

test('memory is bounded, whatever a workload makes of Pods, and is given back', () => {
  const tracked = tracker();
  for (let i = 0; i < 5000; i++) {
    tracked.upsert(newPod(`a-${i}`, { created: i < 900 ? '00:45' : '00:46' }));
  }
  assert.equal(tracked.pods().length, 1000);
  tracked.forget(Date.parse(at('00:46')));
  assert.equal(tracked.pods().length, 100);
});
