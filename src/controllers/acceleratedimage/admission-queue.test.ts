import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage, job } from '../../../test/gen/objects.ts';
import { hasRoomForCopy, placeInQueue } from './admission-queue.ts';

const CAPS = { maxConcurrent: 2, maxConcurrentPerRegistry: 1 };

function queued(name: string, createdAt: string, image = 'registry.test/web:1'): ReturnType<typeof acceleratedImage> {
  return acceleratedImage(name, {
    metadata: { creationTimestamp: createdAt },
    spec: { source: { image } },
    status: { conversion: { hash: name, phase: 'Queued' } },
  });
}

function running(name: string, registry: string, conditions: object[] = []): ReturnType<typeof job> {
  return job(name, { metadata: { annotations: { 'slipstream.dev/registry': registry } }, status: { conditions } });
}

const first = queued('first', '2026-01-01T00:00:00Z');
const second = queued('second', '2026-01-01T00:00:01Z');
const elsewhere = queued('elsewhere', '2026-01-01T00:00:02Z', 'other.test/web:1');
const all = [second, elsewhere, first];

test('with nothing running, the oldest starts', () => {
  assert.deepEqual(placeInQueue(first, [], all, CAPS), { free: true });
});

test('the cap per registry holds back the next of that registry, and says its position', () => {
  assert.deepEqual(placeInQueue(second, [running('a', 'registry.test')], [second], CAPS), { free: false, position: 1 });
  assert.deepEqual(placeInQueue(second, [], all, CAPS), { free: false, position: 2 });
});

test('a busy registry does not hold back an object of another one once its turn in the cluster has come', () => {
  assert.deepEqual(placeInQueue(elsewhere, [running('a', 'registry.test')], [elsewhere], CAPS), { free: true });
});

test('the cap of the cluster holds for all registries together', () => {
  const jobs = [running('a', 'x.test'), running('b', 'y.test')];
  assert.deepEqual(placeInQueue(first, jobs, [first], CAPS), { free: false, position: 1 });
});

test('a finished Job frees its place, whether it succeeded or failed', () => {
  const done = [
    running('a', 'registry.test', [{ type: 'Complete', status: 'True' }]),
    running('b', 'registry.test', [{ type: 'Failed', status: 'True' }]),
  ];
  assert.deepEqual(placeInQueue(first, done, all, CAPS), { free: true });
});

function copying(name: string, registry: string): ReturnType<typeof job> {
  const labels = { 'slipstream.dev/replication': name };
  return job(name, { metadata: { labels, annotations: { 'slipstream.dev/registry': registry } } });
}

test('copies have places of their own, as many as conversions, for the cluster and per registry', () => {
  const conversions = [running('a', 'eu.test'), running('b', 'eu.test')];
  assert.equal(hasRoomForCopy('eu.test', conversions, [], CAPS), true);
  assert.equal(hasRoomForCopy('eu.test', [copying('c', 'eu.test')], [], CAPS), false);
  assert.equal(hasRoomForCopy('us.test', [copying('c', 'eu.test')], [], CAPS), true);
  assert.equal(hasRoomForCopy('us.test', [copying('c', 'eu.test'), copying('d', 'asia.test')], [], CAPS), false);
});

test('a copy whose Job is being made takes a place, too', () => {
  assert.equal(hasRoomForCopy('eu.test', [], ['eu.test'], CAPS), false);
  assert.equal(hasRoomForCopy('us.test', [copying('c', 'eu.test')], ['asia.test'], CAPS), false);
});
