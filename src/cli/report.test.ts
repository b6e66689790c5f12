import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyPatch } from '../../test/support/json-patch.ts';
import {
  ARTIFACT_DIGEST,
  capableNode,
  indexOf,
  namespace,
  NOW,
  readyImage,
  webPod,
  type Cluster,
} from '../../test/support/rewriting.ts';
import { decide } from '../rewriting/decide.ts';
import { patchOf } from '../rewriting/patch.ts';
import { SkipReason } from '../rewriting/reasons.ts';
import type { Facts } from './facts.ts';
import { reportOf, type Report } from './report.ts';
import { existingPod, type Subject } from './subjects.ts';
import { renderText } from './text.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;
const WEB = readyImage('web', SOURCE);

function facts({ images = [WEB], ...cluster }: Cluster = {}, overrides: Partial<Facts> = {}): Facts {
  return {
    index: indexOf({ images, ...cluster }),
    images,
    nodes: [],
    namespaces: new Map([['team-a', namespace('team-a', { 'kubernetes.io/metadata.name': 'team-a' })]]),
    missing: new Set(),
    webhook: { metadata: { name: 'slipstream' }, webhooks: [webhook()] },
    gaps: [],
    ...overrides,
  };
}

function webhook(...excluded: string[]): NonNullable<Exclude<Facts['webhook'], string>['webhooks']>[number] {
  const operator = 'NotIn';
  return {
    name: 'pods',
    admissionReviewVersions: ['v1'],
    clientConfig: {},
    sideEffects: 'NoneOnDryRun',
    namespaceSelector: { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator, values: excluded }] },
  };
}

/** The next Pod of a Deployment. */
function deployment(pod: object = webPod(SOURCE)): Subject {
  return { kind: 'Deployment', namespace: 'team-a', name: 'web', pod, exists: false };
}

/** The Pod after admission in a cluster. */
function admitted(pod = webPod(SOURCE), cluster: Cluster = {}): Subject {
  const index = indexOf({ images: [WEB], ...cluster });
  return existingPod(applyPatch(pod, patchOf(decide(pod, 'team-a', index, NOW))));
}

function reasons({ outcome, reason, containers }: Report): string[] {
  return [`${outcome} ${reason}`, ...containers.map(({ skips }) => skips.map((skip) => skip.reason).join(', '))];
}

describe('a Pod that exists', () => {
  test('is said to have been rewritten, with what it runs and what a new one would run', () => {
    const report = reportOf(admitted(), facts(), NOW);
    assert.deepEqual(report.admission, { rewrite: 'rewritten', at: '2026-01-01T00:00:00Z' });
    assert.equal(report.outcome, 'Rewritten');
    const [container] = report.containers;
    assert.deepEqual([container?.image, container?.runs, container?.artifact], [SOURCE, ARTIFACT, ARTIFACT]);
  });

  test('is decided about anew: it was skipped, and a new one would not be', () => {
    const report = reportOf(admitted(webPod(SOURCE), { nodes: [] }), facts(), NOW);
    assert.equal(report.admission?.rewrite, 'skipped: NoCapableNode');
    assert.deepEqual(reasons(report), ['Rewritten Rewritten', '']);
  });

  test('is explained with its ephemeral containers, by the image that they were asked for', () => {
    const { pod } = admitted();
    const spec = (pod as { spec: object }).spec;
    const ephemeralContainers = [{ name: 'shell', image: ARTIFACT }];
    const report = reportOf(
      existingPod({ ...pod, spec: { ...spec, nodeName: 'n1', ephemeralContainers } }),
      facts(),
      NOW,
    );
    const { state: _, ...shell } = report.containers[1] ?? {};
    assert.deepEqual(shell, {
      name: 'shell',
      kind: 'ephemeral',
      image: SOURCE,
      runs: ARTIFACT,
      acceleratedImage: 'team-a/web',
      artifact: ARTIFACT,
      skips: [],
    });
  });
});

test('an ephemeral container that runs the copy of a region is explained by the image that it was asked for', () => {
  const region = { metadata: { labels: { 'topology.kubernetes.io/region': 'eu' } } };
  const repository = 'registry.eu.test/web';
  const image = `${repository}:1-nydus@${ARTIFACT_DIGEST}`;
  const copied = readyImage('web', SOURCE, {
    spec: { replicas: [{ region: 'eu', repository }] },
    status: { replicas: [{ region: 'eu', hash: 'h', image, digest: ARTIFACT_DIGEST, state: 'Ready' }] },
  });
  const cluster = { images: [copied], nodes: [capableNode('n1', region)] };
  const { pod } = admitted(webPod(SOURCE), cluster);
  const { spec } = pod as { spec: object };
  const running = { ...pod, spec: { ...spec, nodeName: 'n1', ephemeralContainers: [{ name: 'shell', image }] } };
  const [web, shell] = reportOf(existingPod(running), facts(cluster), NOW).containers;
  assert.deepEqual([web?.image, web?.runs, web?.artifact], [SOURCE, image, image]);
  assert.deepEqual([shell?.image, shell?.runs, shell?.artifact], [SOURCE, image, image]);
});

describe('what may not be read', () => {
  const nodes = { right: 'list nodes', unknown: 'whether a node has Nydus', masks: SkipReason.NoCapableNode };

  test('is not taken for a reason: without the nodes it cannot be told whether one is capable', () => {
    const report = reportOf(deployment(), facts({ nodes: [] }, { gaps: [nodes] }), NOW);
    assert.deepEqual(reasons(report), ['Unknown Unknown', 'Unknown']);
    assert.deepEqual(report.containers[0]?.skips, [
      {
        reason: 'Unknown',
        message: 'it cannot be told whether a node has Nydus: you may not list nodes',
        remedy: 'Ask for the right to list nodes.',
      },
    ]);
    assert.deepEqual(report.unknown, [{ right: 'list nodes', unknown: 'whether a node has Nydus' }]);
  });

  test('leaves the reasons that hold without it', () => {
    const pod = webPod(SOURCE, { metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' } } });
    assert.deepEqual(reasons(reportOf(deployment(pod), facts({ nodes: [] }, { gaps: [nodes] }), NOW)), [
      'Skipped OptedOut',
      'OptedOut',
    ]);
  });

  test('of another namespace does not matter', () => {
    const gap = { right: 'get namespace team-b', unknown: 'whether it opted out', namespace: 'team-b' };
    assert.deepEqual(reportOf(deployment(), facts({}, { gaps: [gap] }), NOW).unknown, []);
  });
});

describe('a Pod that the API server does not ask about', () => {
  test('of an excluded namespace', () => {
    const excluded = { metadata: { name: 'slipstream' }, webhooks: [webhook('team-a')] };
    const report = reportOf(deployment(), facts({}, { webhook: excluded }), NOW);
    assert.deepEqual(reasons(report), ['Skipped NotAsked', 'NotAsked']);
    assert.equal(report.containers[0]?.artifact, undefined);
  });

  test('where the webhook is not registered', () => {
    assert.deepEqual(reasons(reportOf(deployment(), facts({}, { webhook: 'Missing' }), NOW)), [
      'Skipped NotAsked',
      'NotAsked',
    ]);
  });

  test('does not matter where no AcceleratedImage names an image', () => {
    const report = reportOf(deployment(), facts({ images: [] }, { webhook: 'Missing' }), NOW);
    assert.deepEqual(reasons(report), ['Skipped NoAcceleratedImage', 'NoAcceleratedImage']);
  });
});

test('the text is a block for each Pod, and in it one for each container', () => {
  const stale = readyImage('web', SOURCE, { status: { source: { resolvedAt: '2026-03-01T11:35:00Z' } } });
  const converting = readyImage('cache', 'registry.test/cache:1', {
    status: {
      source: undefined,
      artifact: undefined,
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'Converting',
          message: 'conversion Job cache-1 is running',
          lastTransitionTime: '2026-03-01T11:59:20Z',
        },
      ],
    },
  });
  const pod = webPod(SOURCE, {
    spec: {
      initContainers: [{ name: 'migrate', image: 'registry.test/other:1' }],
      containers: [
        { name: 'web', image: SOURCE },
        { name: 'cache', image: 'registry.test/cache:1' },
      ],
    },
  });
  const reports = [
    reportOf(deployment(), facts(), NOW),
    reportOf(deployment(pod), facts({ images: [stale, converting], nodes: [capableNode('n1')] }), NOW),
  ];
  assert.equal(
    renderText(reports, NOW),
    `Deployment team-a/web
  its Pods      will be rewritten

  container web
    image         registry.test/web:1
    named by      AcceleratedImage team-a/web
                  Ready for 0s; resolved 0s ago (interval 5m); converted 0s ago
    rewritten     ${ARTIFACT}

Deployment team-a/web
  its Pods      will be left as they are: TagStale

  init container migrate
    image         registry.test/other:1
    left          NoAcceleratedImage: no AcceleratedImage in reach names its image
    remedy        Create an AcceleratedImage whose spec.source.image is this very image, in the Pod's namespace or, for every namespace, in the operator's.

  container web
    image         registry.test/web:1
    named by      AcceleratedImage team-a/web
                  Ready for 0s; resolved 25m ago (interval 5m); converted 0s ago
    left          TagStale: AcceleratedImage team-a/web did not confirm for two intervals what the tag names
    remedy        See that the operator runs and reaches the registry: it asks what the tag names each spec.source.interval. A Pod that names the image by digest does not depend on it.

  container cache
    image         registry.test/cache:1
    named by      AcceleratedImage team-a/cache
                  not Ready for 40s: Converting; conversion Job cache-1 is running
    left          NotReady: AcceleratedImage team-a/cache is not Ready: Converting
    remedy        Wait for the conversion. Where it does not come to an end, the conditions of the AcceleratedImage say what is in the way: kubectl describe acceleratedimage.
`,
  );
});
