import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { autoscaler, deploymentPod, holdIndexOf, holdingPolicy, IMAGE, warmImage } from '../../test/support/holding.ts';
import type { Overrides } from '../../test/support/merge.ts';
import { NOW } from '../../test/support/rewriting.ts';
import { judge } from './judge.ts';
import { subjectOf } from './subject.ts';

interface Case {
  policy?: Overrides;
  pod?: Overrides;
  /** Replicas that the autoscaler has, and wants. */
  replicas?: [current: number, desired: number];
  /** Default `10s`: how long it is held; or why it is not. */
  expected?: string;
}

const owned = (kind: string, name: string, labels: object = {}): Overrides => ({
  metadata: { labels, ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: '1', controller: true }] },
});
const images = (...list: object[]): Overrides => ({ status: { images: list } });
const near: [number, number] = [1, 3];

const CASES: Record<string, Case> = {
  'a Pod waits while its image is being warmed': {},
  'a Pod waits when the autoscaler has just acted, as the warm follows': {
    policy: { status: { images: undefined, decision: undefined } },
    replicas: near,
  },
  'a Pod waits when what was warm was evicted and a scale-out is near': {
    policy: images(warmImage('NotWarm')),
    replicas: near,
  },
  'a Pod waits for the one image of two that no seed peer has': {
    policy: images(warmImage('Warm', { image: 'registry.test/sidecar:1' }), warmImage('Warming')),
    pod: {
      spec: {
        containers: [
          { name: 'web', image: IMAGE },
          { name: 's', image: 'registry.test/sidecar:1' },
        ],
      },
    },
  },
  'a Pod of a StatefulSet waits': {
    policy: { status: { target: 'StatefulSet/web' } },
    pod: owned('StatefulSet', 'web'),
  },
  'a Pod of a ReplicaSet without a Deployment waits': {
    policy: { status: { target: 'ReplicaSet/web' } },
    pod: owned('ReplicaSet', 'web'),
  },
  'nothing waits for what is warm': { policy: images(warmImage('Warm')), replicas: near, expected: 'Warm' },
  'nothing waits for what one seed peer has': {
    policy: images(warmImage('Warming', { firstSeedAt: NOW.toISOString() })),
    expected: 'Warm',
  },
  'that one seed peer had it once says nothing of what is not being warmed': {
    policy: images(warmImage('NotWarm', { firstSeedAt: NOW.toISOString() })),
    replicas: near,
  },
  'nothing waits after a warm that failed': {
    policy: {
      status: {
        images: [warmImage('NotWarm')],
        conditions: [
          { type: 'Ready', status: 'False', reason: 'WarmFailed', message: '', lastTransitionTime: NOW.toISOString() },
        ],
      },
    },
    replicas: near,
    expected: 'WarmFailed',
  },
  'nothing waits for a policy that was not looked at yet': { policy: { status: undefined }, expected: 'NotAsked' },
  'nothing waits for a policy that has changed since it was looked at': {
    policy: { metadata: { generation: 2 } },
    expected: 'NotAsked',
  },
  'nothing waits for a policy that is suspended': { policy: { spec: { suspend: true } }, expected: 'NotAsked' },
  'nothing waits for a policy that is being deleted': {
    policy: { metadata: { deletionTimestamp: NOW.toISOString() } },
    expected: 'NotAsked',
  },
  'nothing waits for a policy that warms nothing': { policy: { spec: { mode: 'DryRun' } }, expected: 'NotAsked' },
  'nothing waits for a policy that does not hold': { policy: { spec: { hold: undefined } }, expected: 'NotAsked' },
  'the Pods of an idle workload do not wait': { policy: images(warmImage('NotWarm')), expected: 'NotExpected' },
  'nothing waits for a warm that must have ended: who led is gone': {
    policy: { spec: { warm: { timeout: '1s' } } },
    expected: 'NotExpected',
  },
  'a Pod does not wait for images that it does not run': {
    pod: { spec: { containers: [{ name: 'web', image: 'registry.test/web:2' }] } },
    replicas: near,
    expected: 'NotExpected',
  },
  'a Pod of another workload does not wait': {
    pod: owned('ReplicaSet', 'web-api-5d4f', { 'pod-template-hash': '5d4f' }),
    expected: 'NotAsked',
  },
  'a Pod of a ReplicaSet that is called like the Deployment does not wait': {
    pod: owned('ReplicaSet', 'web', { 'pod-template-hash': '5d4f' }),
    expected: 'NotAsked',
  },
  'a Pod of a ReplicaSet that ends like another template does not wait': {
    pod: owned('ReplicaSet', 'web-0000', { 'pod-template-hash': '5d4f' }),
    expected: 'NotAsked',
  },
  'a Pod of a DaemonSet does not wait': {
    policy: { status: { target: 'DaemonSet/web' } },
    pod: owned('DaemonSet', 'web'),
    expected: 'NotAsked',
  },
  'a Pod of an owner of another group does not wait': {
    pod: {
      metadata: {
        ownerReferences: [
          { apiVersion: 'x.test/v1', kind: 'ReplicaSet', name: 'web-5d4f', uid: '1', controller: true },
        ],
      },
    },
    expected: 'NotAsked',
  },
  'a Pod of nobody does not wait': { pod: { metadata: { ownerReferences: undefined } }, expected: 'NotAsked' },
};

describe('whether a Pod waits', () => {
  for (const [name, { policy, pod, replicas: [current, desired] = [1, 1], expected = '10s' }] of Object.entries(
    CASES,
  )) {
    test(name, () => {
      const index = holdIndexOf([holdingPolicy(policy)], autoscaler(current, desired));
      const verdict = judge(subjectOf(deploymentPod(pod), 'team-a'), index, NOW);
      assert.equal(verdict.held ? verdict.maxDuration : verdict.reason, expected);
    });
  }

  test('whatever comes in for a Pod, it does not wait', () => {
    const index = holdIndexOf([holdingPolicy()]);
    for (const pod of [undefined, null, 7, 'x', [], {}, { metadata: { labels: 7, ownerReferences: {} }, spec: [] }]) {
      assert.deepEqual(judge(subjectOf(pod, 'team-a'), index, NOW), { held: false, reason: 'NotAsked' });
    }
  });

  test('a policy that is gone, or is of another namespace, has nobody wait', () => {
    const index = holdIndexOf([holdingPolicy()]);
    assert.equal(judge(subjectOf(deploymentPod(), 'team-b'), index, NOW).held, false);
    index.delete(holdingPolicy());
    assert.equal(judge(subjectOf(deploymentPod(), 'team-a'), index, NOW).held, false);
  });
});
