import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pino } from 'pino';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { deploymentPod, holdIndexOf, holdingPolicy, IMAGE, warmImage } from '../../test/support/holding.ts';
import { applyPatch } from '../../test/support/json-patch.ts';
import type { Overrides } from '../../test/support/merge.ts';
import { ARTIFACT_DIGEST, indexOf, namespace, NOW, readyImage } from '../../test/support/rewriting.ts';
import type { Pod } from '../kube/resources.ts';
import type { Operation } from '../rewriting/patch.ts';
import { createHold, type Hold } from './hold.ts';
import { createReviewer } from './mutate.ts';

const ARTIFACT = `${IMAGE}-nydus@${ARTIFACT_DIGEST}`;

interface Options {
  hold?: Hold;
  alive?: boolean;
  dryRun?: boolean;
  index?: ReturnType<typeof indexOf>;
  policy?: Overrides;
}

/** A Pod as it is stored after its admission, and how many were counted. */
function admit(
  pod: Pod,
  { hold, alive = true, dryRun = false, index = indexOf(), policy = {} }: Options = {},
): { pod: Pod; held: number } {
  let held = 0;
  const review = createReviewer({
    index,
    clock: new FakeClock(NOW),
    metrics: { observe: () => undefined },
    log: pino({ level: 'silent' }),
    notify: () => undefined,
    hold:
      hold ??
      createHold({ index: holdIndexOf([holdingPolicy(policy)]), namespaces: index, releaserAlive: () => alive }),
    held: () => void (held += 1),
  });
  const resource = { group: '', version: 'v1', resource: 'pods' };
  const request = { uid: 'u', operation: 'CREATE', resource, namespace: 'team-a', object: pod, dryRun };
  const { patch = '' } = review(JSON.stringify({ request }))?.response ?? {};
  const operations = patch === '' ? [] : (JSON.parse(Buffer.from(patch, 'base64').toString()) as Operation[]);
  return { pod: applyPatch(pod, operations), held };
}

const gatesOf = ({ pod }: { pod: Pod }): string[] => (pod.spec?.schedulingGates ?? []).map(({ name }) => name);

test('a new Pod of a scale-out waits, and is counted', () => {
  const admitted = admit(deploymentPod());
  assert.deepEqual(gatesOf(admitted), ['slipstream.dev/hold']);
  assert.equal(admitted.held, 1);
});

test('a dry run is answered alike, and not counted', () => {
  const admitted = admit(deploymentPod(), { dryRun: true });
  assert.deepEqual(gatesOf(admitted), ['slipstream.dev/hold']);
  assert.equal(admitted.held, 0);
});

test('what counts is what the Pod runs after it was rewritten', () => {
  const index = indexOf({ images: [readyImage('web', IMAGE)] });
  assert.deepEqual(gatesOf(admit(deploymentPod(), { index })), [], 'the original is not what it runs');
  const policy = { status: { images: [warmImage('Warming', { image: ARTIFACT })] } };
  const admitted = admit(deploymentPod(), { index, policy });
  assert.deepEqual(gatesOf(admitted), ['slipstream.dev/hold']);
  assert.equal(admitted.pod.spec?.containers[0]?.image, ARTIFACT);
  assert.equal(admitted.pod.metadata.labels?.['slipstream.dev/hold'], '10s');
});

describe('a Pod does not wait', () => {
  const cases: Record<string, [pod: Overrides, options?: Options]> = {
    'while no releaser is alive': [{}, { alive: false }],
    'that has its node': [{ spec: { nodeName: 'n1' } }],
    'that opted out': [{ metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' } } }],
    'of a Namespace that opted out': [
      {},
      { index: indexOf({ namespaces: [namespace('team-a', { 'slipstream.dev/rewrite': 'disabled' })] }) },
    ],
    'that mirrors a static Pod': [{ metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }],
  };
  for (const [name, [pod, options]] of Object.entries(cases)) {
    test(name, () => {
      const admitted = admit(deploymentPod(pod), options);
      assert.deepEqual([gatesOf(admitted), admitted.held], [[], 0]);
    });
  }

  test('about which nothing can be decided, and it is rewritten all the same', () => {
    const index = indexOf({ images: [readyImage('web', IMAGE)] });
    const hold = (): never => {
      throw new Error('a fault');
    };
    const admitted = admit(deploymentPod(), { index, hold });
    assert.deepEqual(gatesOf(admitted), []);
    assert.equal(admitted.pod.spec?.containers[0]?.image, ARTIFACT);
  });
});
