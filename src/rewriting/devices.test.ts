import assert from 'node:assert/strict';
import { test } from 'node:test';
import { devicesOf, offeredBy, offers } from './devices.ts';

const container = (requests: object, limits: object = {}): object => ({ resources: { requests, limits } });

test('the devices of containers add up, and an init container counts if it asks for more', () => {
  const containers = [container({ 'x.io/gpu': '1', cpu: '2' }), container({}, { 'x.io/gpu': '2', 'y.io/nic': 1 })];
  assert.deepEqual(
    [...devicesOf({ containers, initContainers: [container({ 'x.io/gpu': '2' })] })],
    [
      ['x.io/gpu', 3],
      ['y.io/nic', 1],
    ],
  );
  assert.equal(devicesOf({ containers, initContainers: [container({ 'x.io/gpu': '5' })] }).get('x.io/gpu'), 5);
});

test('a sidecar runs beside the containers, so its devices add to theirs', () => {
  const sidecar = { ...container({ 'x.io/gpu': '1' }), restartPolicy: 'Always' };
  const devices = devicesOf({ containers: [container({ 'x.io/gpu': '1' })], initContainers: [sidecar] });
  assert.equal(devices.get('x.io/gpu'), 2);
});

test('what every node has, what is asked for zero times and what cannot be read is no device', () => {
  const common = { cpu: '1', memory: '1Gi', 'ephemeral-storage': '1Gi' };
  const containers = [container({ ...common, 'x.io/gpu': '0', 'y.io/nic': null, 'z.io/odd': {} }), null, 'text', 7];
  assert.equal(devicesOf({ containers }).size, 0);
  assert.equal(devicesOf(null).size, 0);
});

test('a node offers a device when it has as many as are asked for, taken or not', () => {
  const offered = offeredBy({ cpu: '4', 'x.io/gpu': '2', 'hugepages-2Mi': '64Mi', 'hugepages-1Gi': '0' });
  assert.equal(offers(offered, [['x.io/gpu', 2]]), true);
  assert.equal(offers(offered, [['x.io/gpu', 3]]), false);
  assert.equal(offers(offered, [['y.io/nic', 1]]), false);
  assert.equal(offers(offered, devicesOf({ containers: [container({ 'hugepages-2Mi': '32Mi' })] })), true);
  assert.equal(offers(offered, devicesOf({ containers: [container({ 'hugepages-1Gi': '1Gi' })] })), false);
});
