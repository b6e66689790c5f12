import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { reconcileNode } from '../../src/controllers/node/controller.ts';
import { HOLD_OFF_MS } from '../../src/controllers/node/label.ts';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { nodes, type Node } from '../../src/kube/resources.ts';
import { Store } from '../../src/runtime/store.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NAME = 'node-1';
const log = pino({ level: 'silent' });
const clock = new FakeClock();
const clearedAt = new Map<string, Date>();

let envtest: Envtest;
let client: KubeClient;

before(async () => {
  envtest = await startEnvtest();
  client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'node-label-test' });
  await client.create(nodes, { metadata: { name: NAME, labels: { team: 'a' } } });
});
after(async () => {
  await client?.close();
  await envtest?.stop();
});

/** The node's labels once its kubelet has reported this, and it was reconciled. */
async function labelsAfter(ready: 'True' | 'False' | 'Unknown', ...handlers: string[]): Promise<unknown> {
  const status = {
    conditions: [{ type: 'Ready', status: ready }],
    runtimeHandlers: handlers.map((name) => ({ name })),
  };
  const subresource = 'status';
  await client.patch(nodes, { name: NAME }, { status }, 'application/merge-patch+json', { subresource });
  const store = new Store<Node>();
  store.upsert(await client.get(nodes, { name: NAME }));
  const { signal } = new AbortController();
  const dependencies = { client, clock, nodes: store, runtimeHandler: 'nydus', clearedAt };
  await reconcileNode(NAME, dependencies, { log, signal, reconcileId: '1' });
  return (await client.get(nodes, { name: NAME })).metadata.labels;
}

const PLAIN = { team: 'a' };
const LABELLED = { team: 'a', 'slipstream.dev/nydus': 'true' };

test('a node is labelled while its kubelet reports the runtime handler', async () => {
  assert.deepEqual(await labelsAfter('True', 'runc'), PLAIN);
  assert.deepEqual(await labelsAfter('True', 'runc', 'nydus'), LABELLED);
  assert.deepEqual(await labelsAfter('True', 'runc'), PLAIN);
});

test('a node that flaps gets its label back after a while only', async () => {
  assert.deepEqual(await labelsAfter('True', 'runc', 'nydus'), PLAIN);
  await clock.advance(HOLD_OFF_MS);
  assert.deepEqual(await labelsAfter('True', 'runc', 'nydus'), LABELLED);
});

test('a kubelet that starts again finds the label that its Pods select by, so that they survive it', async () => {
  assert.deepEqual(await labelsAfter('True', 'runc', 'nydus'), LABELLED);
  assert.deepEqual(await labelsAfter('Unknown', 'runc', 'nydus'), LABELLED);
  // Before it has asked its runtime for the first time.
  assert.deepEqual(await labelsAfter('False'), LABELLED);
  assert.deepEqual(await labelsAfter('True', 'runc', 'nydus'), LABELLED);
});
