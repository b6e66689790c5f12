import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_EXCEPTIONS, MAX_TABLE_IMAGES, RewriteTableSpec } from '../api/v1alpha1/rewritetable.ts';
import { ARTIFACT, LEFT_PODS, SOURCE } from '../../test/support/pod-cases.ts';
import {
  ARTIFACT_DIGEST,
  capableNode,
  CONFIG,
  DEFAULT_SNAPSHOTTER,
  indexOf,
  NOW,
  OTHER_DIGEST,
  plainNode,
  readyImage,
  runtimeClass,
  SOURCE_DIGEST,
  type Cluster,
} from '../../test/support/rewriting.ts';
import { SkipReason } from './reasons.ts';
import { rewriteTable } from './table.ts';

const OPERATORS = { metadata: { namespace: CONFIG.operatorNamespace } };
const DIGEST_KEY = `registry.test/web@${SOURCE_DIGEST}`;

function tableOf(cluster: Cluster = {}, namespace = 'team-a'): RewriteTableSpec | undefined {
  return rewriteTable(namespace, indexOf({ images: [readyImage('web', SOURCE)], ...cluster }), NOW).spec;
}

test('a table holds what the API server needs: artifacts by tag and digest, until when, for whose Pods, and the RuntimeClass', () => {
  const entry = { image: ARTIFACT, validUntil: '2026-03-01T12:10:00Z' };
  const table = tableOf();
  assert.deepEqual(table, {
    images: { [SOURCE]: entry, [DIGEST_KEY]: entry },
    ownerKinds: ['ReplicaSet.apps', 'StatefulSet.apps', 'DaemonSet.apps', 'Job.batch', 'ReplicationController'],
    runtimeClass: { name: 'nydus', handler: 'nydus', nodeSelector: { 'slipstream.dev/nydus': 'true' } },
  });
  assert.deepEqual(RewriteTableSpec.parse(table), table);
});

test('owner kinds of the configuration are in it, and no RuntimeClass where Nydus is the default snapshotter', () => {
  const config = { ...DEFAULT_SNAPSHOTTER, ownerKinds: ['Rollout.argoproj.io'] };
  const table = tableOf({ config });
  assert.deepEqual(table?.ownerKinds, ['Rollout.argoproj.io']);
  assert.equal(table?.runtimeClass, undefined);
});

describe('how long an entry counts', () => {
  const untilOf = (overrides: object, key = SOURCE): string | undefined =>
    tableOf({ images: [readyImage('web', SOURCE, { ...overrides })] })?.images[key]?.validUntil;

  test('is until its tag is stale, in whole seconds that are over', () => {
    const status = { source: { resolvedAt: '2026-03-01T11:55:00.900Z' } };
    assert.equal(untilOf({ status }), '2026-03-01T12:05:00Z');
  });

  test('is never longer than ten minutes, so that the API server stops soon when the operator does not run', () => {
    const status = { source: { resolvedAt: '2026-03-01T11:00:00Z' } };
    assert.equal(untilOf({ spec: { source: { interval: '24h' } }, status }), '2026-03-01T12:10:00Z');
    assert.equal(untilOf({ spec: { suspend: true }, status }), '2026-03-01T12:10:00Z');
    assert.equal(untilOf({ status }, DIGEST_KEY), '2026-03-01T12:10:00Z');
  });

  test('is nothing for a stale tag: it is not in the table', () => {
    assert.equal(untilOf({ status: { source: { resolvedAt: '2026-03-01T11:00:00Z' } } }), undefined);
  });
});

describe('there is no entry', () => {
  /** Reasons that lie in the cluster, whatever the Pod. */
  const reasons: readonly SkipReason[] = [
    SkipReason.PolicyNever,
    SkipReason.NotReady,
    SkipReason.TagStale,
    SkipReason.ArtifactOutdated,
    SkipReason.PlatformNotCovered,
    SkipReason.ReplicaNotReady,
    SkipReason.RuntimeClassMissing,
    SkipReason.NodeNotCapable,
  ];
  for (const [name, { cluster, reason }] of Object.entries(LEFT_PODS)) {
    if (reasons.includes(reason)) {
      test(`${name}: ${reason}`, () => assert.equal(tableOf(cluster)?.images[SOURCE], undefined));
    }
  }

  test('without a node that can run it now', () => {
    for (const nodes of [[], [plainNode('p1')], [capableNode('n1', { spec: { unschedulable: true } })]]) {
      assert.equal(tableOf({ nodes }), undefined);
    }
  });
});

test('a Namespace that opted out, or is not known yet, may have a table: the API server knows its labels itself', () => {
  const table = tableOf({ namespaces: [] });
  assert.ok(table?.images[SOURCE]);
});

describe('what an entry is not for', () => {
  const restrictionsOf = (cluster: Cluster): unknown => tableOf(cluster)?.images[SOURCE]?.notFor;
  const taints = { taints: [{ key: 'gpu', effect: 'NoSchedule' }] };
  const arm = { nodeInfo: { operatingSystem: 'linux', architecture: 'arm64' } };

  test('is nothing where every node is alike', () => assert.equal(restrictionsOf({}), undefined));

  test('is claims where a volume may be bound to a node without Nydus', () => {
    assert.deepEqual(restrictionsOf({ nodes: [capableNode('n1'), plainNode('p1')] }), ['Claims']);
  });

  test('is claims also where such a node has a taint, which a Pod may tolerate', () => {
    assert.deepEqual(restrictionsOf({ nodes: [capableNode('n1'), plainNode('p1', { spec: taints })] }), ['Claims']);
  });

  test('is tolerations, and so claims, where they lead to a platform that the artifact lacks', () => {
    const nodes = [capableNode('n1'), capableNode('n2', { spec: taints, status: arm })];
    assert.deepEqual(restrictionsOf({ nodes }), ['Tolerations', 'Claims']);
  });

  test('is tolerations where Nydus is the default snapshotter but of a node with a taint', () => {
    const nodes = [capableNode('n1'), plainNode('p1', { spec: taints })];
    assert.deepEqual(restrictionsOf({ config: DEFAULT_SNAPSHOTTER, nodes }), ['Tolerations', 'Claims']);
  });
});

describe("the table of the operator's namespace", () => {
  const shared = readyImage('web', SOURCE, OPERATORS);
  const entriesOf = (...own: ReturnType<typeof readyImage>[]): Record<string, readonly string[] | undefined> => {
    const images = tableOf({ images: [shared, ...own] }, CONFIG.operatorNamespace)?.images ?? {};
    return Object.fromEntries(Object.entries(images).map(([key, { exceptNamespaces }]) => [key, exceptNamespaces]));
  };

  test('is for every namespace', () => assert.deepEqual(entriesOf(), { [SOURCE]: undefined, [DIGEST_KEY]: undefined }));

  test('leaves an image to the namespaces that have one of their own for it, ready or not', () => {
    const never = readyImage('never', SOURCE, { spec: { rewrite: { policy: 'Never' } } });
    const fresh = readyImage('fresh', SOURCE, { metadata: { namespace: 'team-b' }, status: undefined });
    const both = ['team-a', 'team-b'];
    assert.deepEqual(entriesOf(fresh, never), { [SOURCE]: both, [DIGEST_KEY]: both });
  });

  test('leaves a digest to those with another of the repository, since a Pod may name the tag of theirs beside it', () => {
    const other = readyImage('other', 'registry.test/web:2', { status: { source: { digest: OTHER_DIGEST } } });
    assert.deepEqual(entriesOf(other), { [SOURCE]: undefined, [DIGEST_KEY]: ['team-a'] });
  });

  test('gives no pull secret, which lies in another namespace than the Pod', () => {
    const elsewhere = {
      spec: { source: { pullSecretRef: { name: 'pull' } } },
      status: { artifact: { image: `other.test/web:1-nydus@${ARTIFACT_DIGEST}` } },
    };
    const images = [readyImage('web', SOURCE, { ...OPERATORS, ...elsewhere }), readyImage('own', SOURCE, elsewhere)];
    assert.equal(tableOf({ images })?.images[SOURCE]?.pullSecret, 'pull');
    assert.equal(tableOf({ images }, CONFIG.operatorNamespace)?.images[SOURCE]?.pullSecret, undefined);
  });

  test('is not what another namespace gets', () => assert.equal(tableOf({ images: [shared] }), undefined));

  test('leaves out an image that too many have of their own', () => {
    const own = Array.from({ length: MAX_EXCEPTIONS + 1 }, (_, i) =>
      readyImage('web', SOURCE, { metadata: { namespace: `n${i}` } }),
    );
    const draft = rewriteTable(CONFIG.operatorNamespace, indexOf({ images: [shared, ...own] }), NOW);
    assert.deepEqual(draft, { spec: undefined, leftOut: 2 });
  });
});

test('a table is bounded, and tells how many images had no place', () => {
  const images = Array.from({ length: MAX_TABLE_IMAGES }, (_, i) => readyImage(`i${i}`, `registry.test/i${i}:1`));
  const { spec, leftOut } = rewriteTable('team-a', indexOf({ images }), NOW);
  assert.equal(Object.keys(spec?.images ?? {}).length, MAX_TABLE_IMAGES);
  assert.equal(leftOut, MAX_TABLE_IMAGES);
});

test('the RuntimeClass goes into the table as it is, and without it there is no table', () => {
  assert.deepEqual(
    tableOf({ runtimeClasses: [runtimeClass({ scheduling: undefined })] })?.runtimeClass?.nodeSelector,
    {},
  );
  assert.equal(tableOf({ runtimeClasses: [] }), undefined);
});
