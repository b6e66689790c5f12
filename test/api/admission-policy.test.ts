import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Pod } from '../../src/kube/resources.ts';
import { decide } from '../../src/rewriting/decide.ts';
import type { RewriteIndex } from '../../src/rewriting/index.ts';
import { patchOf } from '../../src/rewriting/patch.ts';
import { rewriteTable } from '../../src/rewriting/table.ts';
import { applyPatch } from '../support/json-patch.ts';
import { LEFT_PODS, type PodCase, REWRITTEN_PODS, SOURCE } from '../support/pod-cases.ts';
import { indexOf, NOW, readyImage } from '../support/rewriting.ts';
import { changeable, type PolicyWorld, startPolicyWorld, tryPod } from './policies.ts';

/** What no table and no CEL can tell: these Pods of the webhook's table are left as they were, each for its reason. */
const INEXPRESSIBLE: Readonly<Record<string, string>> = {
  'up to two intervals after its tag was resolved': 'an entry counts no more in the very second in which it runs out',
  'when it tolerates the taint of the capable nodes': 'the table holds what a Pod without tolerations would run',
  'when a capable node has the devices that it asks for': 'CEL knows no nodes',
  'when it is bound to a capable node by name': 'CEL knows no nodes',
  'when a DaemonSet pins it to a capable node': 'CEL knows no nodes',
  'when it has volumes and says itself that it wants capable nodes':
    'the entry is not for Pods with claims, whatever else they say',
  'when it is of a platform that the artifact has, though other capable nodes are not':
    'it depends on the labels of nodes',
  'to the copy of the region that its nodeSelector names': 'it depends on the labels of nodes',
  'where Nydus is the default snapshotter of every node that it may land on': 'it depends on the labels of nodes',
};

describe('the MutatingAdmissionPolicy on a real API server', () => {
  let world: PolicyWorld;

  before(async () => {
    world = await startPolicyWorld();
  });
  after(() => world?.[Symbol.asyncDispose]());

  /** A Pod as the API server stores it in a namespace of its own, which has the table that the operator would keep there. */
  async function stored({ pod, namespace = 'team-a' }: PodCase, index: RewriteIndex, own: string): Promise<Pod> {
    const optedOut = index.namespaceState(namespace) === 'OptedOut';
    await world.makeNamespace(own, optedOut ? { 'slipstream.dev/rewrite': 'disabled' } : {});
    const { spec } = rewriteTable(namespace, index, NOW);
    if (spec !== undefined && !optedOut) {
      await world.publish(own, spec);
    }
    return tryPod(world.client, pod, own);
  }

  function indexFor({ cluster }: PodCase): RewriteIndex {
    return indexOf({ images: [readyImage('web', SOURCE)], ...cluster });
  }

  describe('rewrites as the webhook does', () => {
    for (const [number, [name, given]] of Object.entries(REWRITTEN_PODS).entries()) {
      const why = INEXPRESSIBLE[name];
      test(why === undefined ? name : `but not ${name}: ${why}`, async () => {
        const index = indexFor(given);
        const patch = patchOf(decide(given.pod, given.namespace ?? 'team-a', index, NOW));
        const expected = why === undefined ? applyPatch(given.pod, patch) : given.pod;
        assert.deepEqual(changeable(await stored(given, index, `rewritten-${number}`)), changeable(expected));
      });
    }

    test('but for those that the table here names, and no others', () => {
      assert.deepEqual(
        Object.keys(INEXPRESSIBLE).filter((name) => !(name in REWRITTEN_PODS)),
        [],
      );
    });
  });

  describe('leaves a Pod as it was', () => {
    for (const [number, [name, given]] of Object.entries(LEFT_PODS).entries()) {
      test(name, async () => {
        const after = await stored(given, indexFor(given), `left-${number}`);
        assert.deepEqual(changeable(after), changeable(given.pod));
      });
    }
  });
});
