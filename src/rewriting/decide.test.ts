import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Pod } from '../kube/resources.ts';
import { agoISO, ARTIFACT, LEFT_PODS, type PodCase, REWRITTEN_PODS, SOURCE } from '../../test/support/pod-cases.ts';
import {
  ARTIFACT_DIGEST,
  capableNode,
  DEFAULT_SNAPSHOTTER,
  indexOf,
  NOW,
  owner,
  plainNode,
  readyImage,
  webPod,
  type Cluster,
} from '../../test/support/rewriting.ts';
import type { Overrides } from '../../test/support/merge.ts';
import { decide, decideEphemeral } from './decide.ts';
import { SkipReason } from './reasons.ts';

const READY = readyImage('web', SOURCE);

function reasonOf({ pod, cluster, namespace = 'team-a' }: PodCase): string {
  return decide(pod, namespace, indexOf({ images: [READY], ...cluster }), NOW).reason;
}

describe('a Pod is rewritten', () => {
  for (const [name, given] of Object.entries(REWRITTEN_PODS)) {
    test(name, () => assert.equal(reasonOf(given), 'Rewritten'));
  }
});

describe('a Pod is left as it was', () => {
  for (const [name, { reason, ...given }] of Object.entries(LEFT_PODS)) {
    test(`${name}: ${reason}`, () => assert.equal(reasonOf(given), reason));
  }

  test('and every reason but AlreadyRewritten, which follows a patch, has a case here', () => {
    const covered = new Set<SkipReason>(Object.values(LEFT_PODS).map(({ reason }) => reason));
    const missing = Object.values(SkipReason).filter((reason) => !covered.has(reason));
    assert.deepEqual(missing, [SkipReason.AlreadyRewritten, SkipReason.PullSecretMissing]);
  });
});

test('the checks are ordered: the first that objects gives the reason', () => {
  const pod = webPod(SOURCE, {
    metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' }, ownerReferences: [owner('x.io/v1', 'X')] },
    spec: { runtimeClassName: 'kata' },
  });
  assert.equal(reasonOf({ pod, cluster: { nodes: [] } }), SkipReason.OptedOut);
});

test('of a Pod whose images are only partly ready, the ready ones are rewritten', () => {
  const pod = webPod(SOURCE, {
    spec: {
      initContainers: [{ name: 'migrate', image: SOURCE }],
      containers: [
        { name: 'web', image: SOURCE },
        { name: 'cache', image: 'registry.test/cache:1' },
        { name: 'proxy', image: 'registry.test/proxy:1' },
      ],
    },
  });
  const cache = readyImage('cache', 'registry.test/cache:1', { spec: { rewrite: { policy: 'Never' } } });
  const decision = decide(pod, 'team-a', indexOf({ images: [READY, cache] }), NOW);
  assert.equal(decision.reason, 'Rewritten');
  assert.deepEqual(
    decision.rewrites.map(({ container, image, acceleratedImage }) => [
      container.list,
      container.name,
      image,
      acceleratedImage,
    ]),
    [
      ['initContainers', 'migrate', ARTIFACT, 'team-a/web'],
      ['containers', 'web', ARTIFACT, 'team-a/web'],
    ],
  );
  assert.deepEqual(
    decision.verdicts.map(({ container, finding }) => [container.name, finding?.reason]),
    [
      ['migrate', undefined],
      ['web', undefined],
      ['cache', SkipReason.PolicyNever],
    ],
  );
});

test('where Nydus is the default snapshotter, a container that is never pulled does not hold back the others', () => {
  const pod = webPod(SOURCE, {
    spec: {
      containers: [
        { name: 'web', image: SOURCE },
        { name: 'local', image: 'local:1', imagePullPolicy: 'Never' },
      ],
    },
  });
  assert.equal(reasonOf({ pod, cluster: { config: DEFAULT_SNAPSHOTTER } }), 'Rewritten');
});

describe('whose AcceleratedImage decides', () => {
  const own = (policy: string): ReturnType<typeof readyImage> =>
    readyImage('own', SOURCE, { metadata: { namespace: 'team-b' }, spec: { rewrite: { policy } } });
  const operators = readyImage('shared', SOURCE, { metadata: { namespace: 'slipstream-system' } });

  test("one of the operator's namespace acts on every namespace", () => {
    const decision = decide(webPod(SOURCE), 'team-b', indexOf({ images: [operators] }), NOW);
    assert.equal(decision.rewrites[0]?.acceleratedImage, 'slipstream-system/shared');
  });

  test("a namespace's own wins over the operator's", () => {
    const decision = decide(webPod(SOURCE), 'team-b', indexOf({ images: [operators, own('WhenReady')] }), NOW);
    assert.equal(decision.rewrites[0]?.acceleratedImage, 'team-b/own');
  });

  test("a namespace's own wins even when it says Never", () => {
    assert.equal(
      reasonOf({ pod: webPod(SOURCE), namespace: 'team-b', cluster: { images: [operators, own('Never')] } }),
      SkipReason.PolicyNever,
    );
  });

  test('of two in one namespace the oldest that can be used does, in whatever order they were seen', () => {
    const young = readyImage('a-young', SOURCE, { metadata: { creationTimestamp: '2026-02-01T00:00:00Z' } });
    const broken = readyImage('broken', SOURCE, {
      metadata: { creationTimestamp: '2025-01-01T00:00:00Z' },
      status: { artifact: undefined },
    });
    for (const images of [
      [READY, young, broken],
      [broken, young, READY],
    ]) {
      const decision = decide(webPod(SOURCE), 'team-a', indexOf({ images }), NOW);
      assert.equal(decision.rewrites[0]?.acceleratedImage, 'team-a/web');
    }
  });
});

describe('the pull secret of an artifact', () => {
  const secrets = { spec: { source: { pullSecretRef: { name: 'pull' } } } };
  const elsewhere: Overrides = {
    ...secrets,
    status: { artifact: { image: `other.test/web:1-nydus@${ARTIFACT_DIGEST}` } },
  };
  const secretsOf = (overrides: Overrides, place = 'team-a'): readonly string[] => {
    const image = readyImage('web', SOURCE, { ...overrides, metadata: { namespace: place } });
    return decide(webPod(SOURCE), 'team-a', indexOf({ images: [image] }), NOW).pullSecrets;
  };

  test('is given to the Pod when the artifact is in another registry', () =>
    assert.deepEqual(secretsOf(elsewhere), ['pull']));

  test('is the one that pushes, where both are named', () => {
    assert.deepEqual(
      secretsOf({ ...elsewhere, spec: { ...secrets.spec, target: { pushSecretRef: { name: 'push' } } } }),
      ['push'],
    );
  });

  test('is not given when the registry stays the same', () => assert.deepEqual(secretsOf(secrets), []));

  test("that lies in the operator's namespace keeps Pods of others as they are, unless they have their own", () => {
    const image = readyImage('web', SOURCE, { ...elsewhere, metadata: { namespace: 'slipstream-system' } });
    const cluster = { images: [image] };
    assert.equal(reasonOf({ pod: webPod(SOURCE), cluster }), SkipReason.PullSecretMissing);
    const pod = webPod(SOURCE, { spec: { imagePullSecrets: [{ name: 'pull' }] } });
    assert.equal(reasonOf({ pod, cluster }), 'Rewritten');
  });
});

describe('an ephemeral container', () => {
  const running = (...added: object[]): Pod =>
    webPod(ARTIFACT, {
      metadata: { annotations: { 'io.containerd.cri.runtime-handler': 'nydus' } },
      spec: { runtimeClassName: 'nydus', nodeName: 'n1', ephemeralContainers: added },
    });
  const shell = { name: 'shell', image: SOURCE };
  const reason = (pod: Pod, old: Pod, cluster: Cluster = {}): string =>
    decideEphemeral(pod, old, 'team-a', indexOf({ images: [READY], ...cluster }), NOW).reason;

  test('is rewritten in a Pod that has our RuntimeClass', () => {
    assert.equal(reason(running(shell), running()), 'Rewritten');
  });

  test('that was there before stays as it is', () => {
    const decision = decideEphemeral(
      running(shell, { name: 'second', image: SOURCE }),
      running(shell),
      'team-a',
      indexOf({ images: [READY] }),
      NOW,
    );
    assert.deepEqual(
      decision.rewrites.map(({ container }) => [container.index, container.name]),
      [[1, 'second']],
    );
  });

  test('stays as it is in a Pod of another RuntimeClass, which cannot change any more', () => {
    const plain = webPod(SOURCE, { spec: { nodeName: 'n1', ephemeralContainers: [shell] } });
    assert.equal(reason(plain, webPod(SOURCE)), SkipReason.OtherRuntimeClass);
  });

  test('stays as it is in a Pod whose node was not told to pull into Nydus', () => {
    const pod = running(shell);
    pod.metadata.annotations = {};
    assert.equal(reason(pod, running()), SkipReason.OtherRuntimeClass);
  });

  test('is rewritten whatever annotations the Pod has, as it gets none', () => {
    const pod = running(shell);
    pod.metadata.annotations = { ...pod.metadata.annotations, big: 'x'.repeat(256 * 1024 - 50) };
    assert.equal(reason(pod, running()), 'Rewritten');
  });

  test('stays as it is when the node of the Pod is not capable any more', () => {
    assert.equal(reason(running(shell), running(), { nodes: [plainNode('n1')] }), SkipReason.NoCapableNode);
  });

  test('is rewritten on a cordoned node too, where the Pod runs already', () => {
    const cordoned = capableNode('n1', { spec: { unschedulable: true } });
    assert.equal(reason(running(shell), running(), { nodes: [cordoned] }), 'Rewritten');
  });

  test('stays as it is where the Pod lacks the Secret that pulls its artifact, which it cannot be given any more', () => {
    const far = readyImage('far', SOURCE, {
      spec: { source: { pullSecretRef: { name: 'pull' } } },
      status: { artifact: { image: `other.test/web:1-nydus@${ARTIFACT_DIGEST}` } },
    });
    assert.equal(reason(running(shell), running(), { images: [far] }), SkipReason.PullSecretMissing);
    const pod = running(shell);
    assert.ok(pod.spec);
    pod.spec.imagePullSecrets = [{ name: 'pull' }];
    assert.equal(reason(pod, running(), { images: [far] }), 'Rewritten');
  });

  test('is rewritten where Nydus is the default snapshotter, without any RuntimeClass', () => {
    const plain = webPod(SOURCE, { spec: { nodeName: 'n1', ephemeralContainers: [shell] } });
    assert.equal(reason(plain, webPod(SOURCE), { config: DEFAULT_SNAPSHOTTER }), 'Rewritten');
  });
});

test('the message tells a person what to look at', () => {
  const stale = readyImage('web', SOURCE, {
    status: {
      conditions: [
        { type: 'Ready', status: 'False', reason: 'CredentialsRejected', message: '', lastTransitionTime: agoISO(0) },
      ],
    },
  });
  const { message } = decide(webPod(SOURCE), 'team-a', indexOf({ images: [stale] }), NOW);
  assert.equal(message, 'AcceleratedImage team-a/web is not Ready: CredentialsRejected');
});
