import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pino } from 'pino';
import { sendJson, startApiServer } from '../../test/doubles/api-server.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { ARTIFACT_DIGEST, indexOf, NOW, owner, plainNode, readyImage, webPod } from '../../test/support/rewriting.ts';
import { loadKubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/events.ts';
import { decide } from '../rewriting/decide.ts';
import type { KubeObject } from '../runtime/object.ts';
import { ADMISSION, ADMISSION_BUDGET, createNotifier } from './notify.ts';

const SOURCE = 'registry.test/web:1';
const READY = readyImage('web', SOURCE);
const INCAPABLE = indexOf({ images: [READY], nodes: [plainNode('p1')] });

interface Recorded {
  owner: KubeObject;
  type: string;
  reason: string;
  note: string;
}

/** What is recorded about a Pod. */
function recorded(pod: object, index = INCAPABLE): Recorded[] {
  const events: Recorded[] = [];
  const notify = createNotifier({
    event: (owner, type, reason, note) => void events.push({ owner, type, reason, note }),
  });
  notify(decide(pod, 'team-a', index, NOW), 'team-a');
  return events;
}

test('the owner of a Pod that is left as it was is told why, and what would have to change', () => {
  assert.deepEqual(recorded(webPod(SOURCE)), [
    {
      owner: { apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { namespace: 'team-a', name: 'web', uid: '1' } },
      type: 'Warning',
      reason: 'NoCapableNode',
      note:
        "New Pods keep an image that AcceleratedImage team-a/web names: no node that the Pod's constraints allow is Ready " +
        'and reports the runtime handler nydus. Let the Pod template allow a node that runs Nydus (kubectl get nodes ' +
        '--selector slipstream.dev/nydus=true), or install nydus-snapshotter on one that it allows.',
    },
  ]);
});

test('what somebody asked for, or what passes by itself, is no warning', () => {
  const optedOut = webPod(SOURCE, { metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' } } });
  const converting = readyImage('web', SOURCE, { status: { conditions: [] } });
  const types = [...recorded(optedOut), ...recorded(webPod(SOURCE), indexOf({ images: [converting] }))];
  assert.deepEqual(
    types.map(({ type, reason }) => `${type} ${reason}`),
    ['Normal OptedOut', 'Normal NotReady'],
  );
});

describe('nothing is told', () => {
  const silent: Record<string, [pod: object, index?: typeof INCAPABLE]> = {
    'of a Pod that is rewritten': [webPod(SOURCE), indexOf({ images: [READY] })],
    'of a Pod that no AcceleratedImage names': [webPod('registry.test/other:1')],
    'of a Pod without an owner': [webPod(SOURCE, { metadata: { ownerReferences: [] } })],
    'of a Pod whose owner has no uid': [
      webPod(SOURCE, { metadata: { ownerReferences: [{ ...owner('apps/v1', 'ReplicaSet'), uid: '' }] } }),
    ],
    'of a mirror Pod, whose owner is its node': [
      webPod(SOURCE, { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }),
    ],
    'of a Pod that an earlier round of its admission rewrote': [
      webPod(`registry.test/web:1-nydus@${ARTIFACT_DIGEST}`, {
        metadata: { annotations: { 'slipstream.dev/original-images': `{"web":"${SOURCE}"}` } },
        spec: {
          containers: [
            { name: 'web', image: `registry.test/web:1-nydus@${ARTIFACT_DIGEST}` },
            { name: 'sidecar', image: SOURCE },
          ],
        },
      }),
    ],
    'of what is no Pod': [{}],
  };
  for (const [name, [pod, index]] of Object.entries(silent)) {
    test(name, () => assert.deepEqual(recorded(pod, index), []));
  }
});

test('a flood of Pods makes a hundred events and then one a second, and one owner cannot use up that of the others', async (t) => {
  await using server = await startApiServer((response) => sendJson(response, 200, {}));
  const client = loadKubeClient({ kubeconfig: server.kubeconfig, userAgent: 'test' });
  t.after(() => client.close());
  const clock = new FakeClock(NOW);
  const log = pino({ level: 'silent' });
  const budget = ADMISSION_BUDGET;
  const recorder = new EventRecorder({ client, clock, log, instance: 'slipstream-0', reporter: ADMISSION, budget });
  const notify = createNotifier(recorder);
  /** Pods of a ReplicaSet, each with a message of its own; returns how many events were sent. */
  const create = async (uid: string, count: number): Promise<number> => {
    const before = server.requests.length;
    for (let i = 0; i < count; i++) {
      const ownerReferences = [{ ...owner('apps/v1', 'ReplicaSet'), uid }];
      const pod = webPod(SOURCE, { metadata: { ownerReferences }, spec: { runtimeClassName: `class-${i}` } });
      notify(decide(pod, 'team-a', INCAPABLE, NOW), 'team-a');
    }
    await recorder.flush();
    return server.requests.length - before;
  };
  assert.equal(await create('hot', 500), 25);
  let sent = 0;
  for (let i = 0; i < 500; i++) {
    sent += await create(`rs-${i}`, 1);
  }
  assert.equal(sent, 75);
  await clock.advance(3000);
  assert.equal(await create('late', 10), 3);
  const { reportingController, action } = JSON.parse(server.requests[0]?.body ?? '') as Record<string, string>;
  assert.deepEqual([reportingController, action], ['slipstream.dev/webhook', 'Admit']);
});
