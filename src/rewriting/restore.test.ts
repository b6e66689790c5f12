import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyPatch } from '../../test/support/json-patch.ts';
import {
  DEFAULT_SNAPSHOTTER,
  indexOf,
  NOW,
  plainNode,
  readyImage,
  webPod,
  type Cluster,
} from '../../test/support/rewriting.ts';
import type { Overrides } from '../../test/support/merge.ts';
import { decide } from './decide.ts';
import { patchOf } from './patch.ts';
import { readPod } from './pod.ts';
import { restorePod } from './restore.ts';

const SOURCE = 'registry.test/web:1';
const SELECTOR = new Map([['slipstream.dev/nydus', 'true']]);

/** All that is read of a Pod; an empty map is as good as none. */
function factsOf(pod: object): object {
  return { ...readPod(pod), hasAnnotations: true, hasNodeSelector: true };
}

interface Case {
  pod?: Overrides;
  cluster?: Cluster;
}

describe('a Pod that exists reads as it was before admission', () => {
  const cases: Record<string, Case> = {
    'when it was rewritten': {},
    'when it has a node selector and annotations of its own': {
      pod: { metadata: { annotations: { team: 'a' } }, spec: { nodeSelector: { 'kubernetes.io/hostname': 'n1' } } },
    },
    'when an init container was rewritten too': {
      pod: { spec: { initContainers: [{ name: 'migrate', image: SOURCE }] } },
    },
    'when Nydus is the default snapshotter': { cluster: { config: DEFAULT_SNAPSHOTTER } },
    'when it was left as it was': { cluster: { nodes: [plainNode('p1')] } },
    'when it asked for a RuntimeClass of its own': { pod: { spec: { runtimeClassName: 'gvisor' } } },
    'when nothing names its image': { cluster: { images: [] } },
  };
  for (const [name, { pod: overrides = {}, cluster = {} }] of Object.entries(cases)) {
    test(name, () => {
      const index = indexOf({ images: [readyImage('web', SOURCE)], ...cluster });
      const pod = webPod(SOURCE, overrides);
      const admitted = applyPatch(pod, patchOf(decide(pod, 'team-a', index, NOW)));
      const scheduled = { ...admitted, spec: { ...admitted.spec, nodeName: 'n9' } };
      assert.deepEqual(factsOf(restorePod(scheduled, SELECTOR)), factsOf(pod));
    });
  }
});

test('what is no Pod is no reason to throw', () => {
  for (const pod of [
    undefined,
    null,
    7,
    [],
    {},
    { metadata: { annotations: { 'slipstream.dev/rewrite': 'rewritten' } } },
  ]) {
    assert.equal(decide(restorePod(pod, SELECTOR), 'team-a', indexOf(), NOW).reason, 'NoAcceleratedImage');
  }
});
