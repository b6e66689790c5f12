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

test('a namespace with five hundred images does not hold back the one of another', () => {
  const crowd = Array.from({ length: 500 }, (_, index) => queued(`a${index}`, '2026-01-01T00:00:00Z'));
  const one = acceleratedImage('one', {
    metadata: { namespace: 'team-b', creationTimestamp: '2026-06-01T00:00:00Z' },
    spec: { source: { image: 'registry.test/web:1' } },
    status: { conversion: { hash: 'one', phase: 'Queued' } },
  });
  const busy = [running('a', 'registry.test')];
  assert.deepEqual(placeInQueue(one, busy, [...crowd, one], CAPS), { free: false, position: 1 });
  const done = [running('a', 'registry.test', [{ type: 'Complete', status: 'True' }])];
  assert.deepEqual(placeInQueue(one, done, [...crowd, one], CAPS), { free: true });
  const oldest = crowd[0] ?? first;
  assert.deepEqual(placeInQueue(oldest, done, [...crowd, one], CAPS), { free: false, position: 2 });
});

test('what was converted before waits behind what never was', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const artifact = {
    image: 'registry.test/web:1-nydus',
    digest,
    sourceDigest: digest,
    format: 'RafsV6',
    builder: 'v2',
    convertedAt: '2026-01-02T00:00:00Z',
    platforms: [],
  };
  const again = acceleratedImage('again', { status: { artifact, conversion: { hash: 'h', phase: 'Queued' } } });
  assert.deepEqual(placeInQueue(again, [], [again, second], { ...CAPS, maxConcurrent: 1 }), {
    free: false,
    position: 2,
  });
});

test('who could not begin if it were its turn keeps no place from others', () => {
  const condition = { type: 'Reconciling', status: 'True', reason: 'RegistryUnreachable', message: '' };
  const conditions = [{ ...condition, lastTransitionTime: '2026-01-01T00:00:00Z' }];
  const stuck = acceleratedImage('stuck', {
    metadata: { creationTimestamp: '2025-01-01T00:00:00Z' },
    status: { conversion: { hash: 'stuck', phase: 'Queued' }, conditions },
  });
  const suspended = acceleratedImage('suspended', {
    metadata: { creationTimestamp: '2025-01-01T00:00:00Z' },
    spec: { suspend: true },
    status: { conversion: { hash: 'suspended', phase: 'Queued' } },
  });
  const invalid = queued('invalid', '2027-01-01T00:00:00Z', 'registry.test/UPPER:1');
  assert.deepEqual(placeInQueue(first, [], [stuck, suspended, invalid, first], CAPS), { free: true });
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
