import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { KubeError } from '../../src/kube/errors.ts';
import { mutated, validPod, type Names } from '../gen/pods.ts';
import { seededRandom } from '../gen/random.ts';
import { startAdmission, TEAM, type AdmissionCluster } from '../support/admission/cluster.ts';
import { ARTIFACT_DIGEST, OTHER_DIGEST, plainNode, SOURCE_DIGEST } from '../support/rewriting.ts';

const PODS = 3000;
const AT_ONCE = 8;
const SEED = 20_261_123;

const NAMES: Names = {
  images: [
    'registry.test/web:1',
    `registry.test/web:1@${SOURCE_DIGEST}`,
    `registry.test/web@${OTHER_DIGEST}`,
    `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`,
    'registry.test/far:1',
    'registry.test/other:1',
    'not an image',
  ],
  labels: [
    ['pool', 'nydus'],
    ['pool', 'plain'],
    ['slipstream.dev/nydus', 'true'],
    ['slipstream.dev/nydus', 'false'],
  ],
  nodes: ['n1', 'p1', 'gone'],
};

/** Never sent to the webhook. */
const UNSENT = 'opted-out';

let cluster: AdmissionCluster;

before(async () => {
  cluster = await startAdmission();
  await cluster.addNamespace(UNSENT, { 'slipstream.dev/rewrite': 'disabled' });
  await cluster.addImage('web', 'registry.test/web:1');
  await cluster.addImage('far', 'registry.test/far:1', {
    spec: { source: { pullSecretRef: { name: 'pull' } } },
    status: { artifact: { image: `mirror.test/far:1-nydus@${ARTIFACT_DIGEST}` } },
  });
  await cluster.addNode(plainNode('p1', { metadata: { labels: { pool: 'plain' } } }));
});
after(() => cluster?.[Symbol.asyncDispose]());

/** Undefined where the API server takes the Pod, else what it says. */
async function refusal(body: unknown, namespace: string): Promise<string | undefined> {
  try {
    await cluster.client.raw('POST', `/api/v1/namespaces/${namespace}/pods`, { body, query: { dryRun: 'All' } });
    return undefined;
  } catch (error) {
    if (error instanceof KubeError) {
      return error.message;
    }
    throw error;
  }
}

test(`of ${PODS} Pods of many shapes, each that the API server takes without the webhook it takes with it`, async () => {
  const random = seededRandom(SEED);
  const bodies: unknown[] = Array.from({ length: PODS }, () => {
    const pod = validPod(random, NAMES);
    return random.chance(0.3) ? mutated(random, pod) : pod;
  });
  let taken = 0;
  let next = 0;
  async function work(): Promise<void> {
    for (let body = bodies[next++]; next <= PODS; body = bodies[next++]) {
      const without = await refusal(body, UNSENT);
      if (without === undefined) {
        taken += 1;
        assert.equal(await refusal(body, TEAM), undefined, JSON.stringify(body).slice(0, 4000));
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  assert.ok(taken > PODS / 2, `${taken} were taken`);
  const patched = cluster.calls.filter((call) => call.patched).length;
  assert.ok(patched > taken / 10, `${patched} of ${taken} were patched`);
});
