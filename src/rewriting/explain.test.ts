import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ARTIFACT_DIGEST,
  indexOf,
  NOW,
  plainNode,
  readyImage,
  webPod,
  type Cluster,
} from '../../test/support/rewriting.ts';
import { decide, decideEphemeral } from './decide.ts';
import { explain, type Explanation } from './explain.ts';
import { REMEDIES } from './remedies.ts';

const SOURCE = 'registry.test/web:1';
const OTHER = 'registry.test/other:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;
const WEB = readyImage('web', SOURCE);
const CACHE = readyImage('cache', 'registry.test/cache:1', { spec: { rewrite: { policy: 'Never' } } });

const POD = webPod(SOURCE, {
  spec: {
    initContainers: [{ name: 'migrate', image: SOURCE }],
    containers: [
      { name: 'web', image: SOURCE },
      { name: 'cache', image: 'registry.test/cache:1' },
      { name: 'proxy', image: OTHER },
    ],
  },
});

function explained(pod: object, cluster: Cluster = {}): Explanation {
  return explain(decide(pod, 'team-a', indexOf({ images: [WEB, CACHE], ...cluster }), NOW));
}

/** `kind name: AcceleratedImage → artifact or reasons` of each container. */
function outcomes({ containers }: Explanation): string[] {
  return containers.map(({ kind, name, acceleratedImage = 'nothing', artifact, skips }) => {
    const outcome = [artifact, ...skips.map(({ reason }) => reason)].filter((each) => each !== undefined);
    return `${kind} ${name}: ${acceleratedImage} → ${outcome.join(', ')}`;
  });
}

test('each container of a rewritten Pod has its artifact, or what keeps it', () => {
  const explanation = explained(POD);
  assert.equal(explanation.reason, 'Rewritten');
  assert.equal(explanation.remedy, undefined);
  assert.deepEqual(outcomes(explanation), [
    `init migrate: team-a/web → ${ARTIFACT}`,
    `main web: team-a/web → ${ARTIFACT}`,
    'main cache: team-a/cache → PolicyNever',
    'main proxy: nothing → NoAcceleratedImage',
  ]);
});

test('what keeps the whole Pod keeps each container that something names, beside what keeps that one', () => {
  const explanation = explained(POD, { nodes: [plainNode('n1')] });
  assert.equal(explanation.reason, 'NoCapableNode');
  assert.equal(explanation.remedy, REMEDIES.NoCapableNode.text);
  assert.deepEqual(outcomes(explanation), [
    'init migrate: team-a/web → NoCapableNode',
    'main web: team-a/web → NoCapableNode',
    'main cache: team-a/cache → NoCapableNode, PolicyNever',
    'main proxy: nothing → NoAcceleratedImage',
  ]);
});

test('where no container can be rewritten, each has its own reason, and the Pod that of the first', () => {
  const stale = readyImage('web', SOURCE, { status: { source: { resolvedAt: '2026-03-01T11:00:00Z' } } });
  const explanation = explained(POD, { images: [stale, CACHE] });
  assert.equal(explanation.reason, 'TagStale');
  assert.deepEqual(outcomes(explanation).slice(1, 3), [
    'main web: team-a/web → TagStale',
    'main cache: team-a/cache → PolicyNever',
  ]);
});

test('a container that was rewritten before is told from one that nothing names', () => {
  const pod = webPod(ARTIFACT, {
    metadata: { annotations: { 'slipstream.dev/original-images': `{"web":"${SOURCE}"}` } },
  });
  assert.deepEqual(outcomes(explained(pod)), ['main web: nothing → AlreadyRewritten']);
});

test('each reason comes with its message and what would have to change', () => {
  const pod = webPod(SOURCE, { metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' } } });
  assert.deepEqual(explained(pod).containers[0]?.skips, [
    {
      reason: 'OptedOut',
      message: 'the Pod has the label slipstream.dev/rewrite=disabled',
      remedy: 'Take the label slipstream.dev/rewrite=disabled off the Pod template, or off the Namespace.',
    },
  ]);
});

test('only the ephemeral containers that an update adds are explained by it', () => {
  const spec = { runtimeClassName: 'nydus', nodeName: 'n1' };
  const metadata = { annotations: { 'io.containerd.cri.runtime-handler': 'nydus' } };
  const before = webPod(ARTIFACT, { metadata, spec });
  const ephemeralContainers = [{ name: 'shell', image: SOURCE }];
  const after = webPod(ARTIFACT, { metadata, spec: { ...spec, ephemeralContainers } });
  const decision = decideEphemeral(after, before, 'team-a', indexOf({ images: [WEB] }), NOW);
  assert.deepEqual(outcomes(explain(decision)), [`ephemeral shell: team-a/web → ${ARTIFACT}`]);
});
