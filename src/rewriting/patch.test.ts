import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Pod } from '../kube/resources.ts';
import { applyPatch } from '../../test/support/json-patch.ts';
import {
  ARTIFACT_DIGEST,
  capableNode,
  DEFAULT_SNAPSHOTTER,
  indexOf,
  NOW,
  OTHER_DIGEST,
  plainNode,
  readyImage,
  runtimeClass,
  webPod,
  type Cluster,
} from '../../test/support/rewriting.ts';
import { decide, decideEphemeral } from './decide.ts';
import type { RewriteIndex } from './index.ts';
import { ephemeralPatchOf, patchOf, type Operation } from './patch.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;

function index(cluster: Cluster = {}): RewriteIndex {
  return indexOf({ images: [readyImage('web', SOURCE)], ...cluster });
}

function patch(pod: unknown, given: RewriteIndex = index()): readonly Operation[] {
  return patchOf(decide(pod, 'team-a', given, NOW));
}

/** The Pod after admission, which asks a second time as reinvocationPolicy IfNeeded does, and must change nothing then. */
function admitted(pod: Pod, given: RewriteIndex = index()): Pod {
  const patched = applyPatch(pod, patch(pod, given));
  assert.deepEqual(patch(patched, given), [], 'a second call changes something');
  return patched;
}

test('a rewritten Pod differs in its image, annotations, RuntimeClass and the node selector of that class, and in nothing else', () => {
  const pod = webPod(SOURCE, { metadata: { annotations: { team: 'a' } }, spec: { nodeSelector: { zone: 'a' } } });
  const expected = structuredClone(pod);
  expected.metadata.annotations = {
    team: 'a',
    'slipstream.dev/rewrite': 'rewritten',
    'slipstream.dev/original-images': `{"web":"${SOURCE}"}`,
    'io.containerd.cri.runtime-handler': 'nydus',
  };
  assert.ok(expected.spec?.containers[0]);
  expected.spec.containers[0].image = ARTIFACT;
  expected.spec.runtimeClassName = 'nydus';
  expected.spec.nodeSelector = { zone: 'a', 'slipstream.dev/nydus': 'true' };
  const zoned = index({ nodes: [capableNode('n1', { metadata: { labels: { zone: 'a' } } })] });
  assert.deepEqual(admitted(pod, zoned), expected);
});

test('the patch is minimal: one operation for each thing that changes', () => {
  assert.deepEqual(patch(webPod(SOURCE)), [
    { op: 'replace', path: '/spec/containers/0/image', value: ARTIFACT },
    {
      op: 'add',
      path: '/metadata/annotations',
      value: {
        'slipstream.dev/rewrite': 'rewritten',
        'slipstream.dev/original-images': `{"web":"${SOURCE}"}`,
        'io.containerd.cri.runtime-handler': 'nydus',
      },
    },
    { op: 'add', path: '/spec/runtimeClassName', value: 'nydus' },
    { op: 'add', path: '/spec/nodeSelector', value: { 'slipstream.dev/nydus': 'true' } },
  ]);
});

test('where Nydus is the default snapshotter, no RuntimeClass is set', () => {
  const pod = admitted(webPod(SOURCE), index({ config: DEFAULT_SNAPSHOTTER }));
  assert.equal(pod.spec?.runtimeClassName, undefined);
  assert.equal(pod.spec?.nodeSelector, undefined);
  assert.equal(pod.metadata.annotations?.['io.containerd.cri.runtime-handler'], undefined);
  assert.equal(pod.spec?.containers[0]?.image, ARTIFACT);
});

test('a RuntimeClass without a node selector adds none', () => {
  const given = index({ runtimeClasses: [runtimeClass({ scheduling: undefined })] });
  assert.equal(admitted(webPod(SOURCE), given).spec?.nodeSelector, undefined);
});

test('what the Pod asked for itself is not written again', () => {
  const pod = webPod(SOURCE, {
    metadata: { annotations: { 'io.containerd.cri.runtime-handler': 'nydus' } },
    spec: { runtimeClassName: 'nydus', nodeSelector: { 'slipstream.dev/nydus': 'true' } },
  });
  assert.deepEqual(
    patch(pod).map(({ path }) => path),
    [
      '/spec/containers/0/image',
      '/metadata/annotations/slipstream.dev~1rewrite',
      '/metadata/annotations/slipstream.dev~1original-images',
    ],
  );
});

test('init and main containers are rewritten and recorded, the others keep their image', () => {
  const pod = webPod(SOURCE, {
    spec: {
      initContainers: [
        { name: 'wait', image: 'registry.test/wait:1' },
        { name: 'migrate', image: SOURCE },
      ],
      containers: [
        { name: 'web', image: SOURCE },
        { name: 'proxy', image: 'registry.test/proxy:1' },
      ],
    },
  });
  const after = admitted(pod);
  const imagesOf = (list: { image?: string }[] | undefined): unknown => list?.map(({ image }) => image);
  assert.deepEqual(imagesOf(after.spec?.initContainers), ['registry.test/wait:1', ARTIFACT]);
  assert.deepEqual(imagesOf(after.spec?.containers), [ARTIFACT, 'registry.test/proxy:1']);
  assert.equal(
    after.metadata.annotations?.['slipstream.dev/original-images'],
    `{"migrate":"${SOURCE}","web":"${SOURCE}"}`,
  );
});

test('a sidecar that another webhook adds later is rewritten in the second call, and the first record stays', () => {
  const first = admitted(webPod(SOURCE));
  first.spec?.containers.push({ name: 'sidecar', image: SOURCE });
  const second = admitted(first);
  assert.deepEqual(JSON.parse(second.metadata.annotations?.['slipstream.dev/original-images'] ?? ''), {
    web: SOURCE,
    sidecar: SOURCE,
  });
  assert.equal(second.spec?.containers[1]?.image, ARTIFACT);
});

test('a sidecar that cannot be rewritten does not make a rewritten Pod look skipped', () => {
  const proxy = readyImage('proxy', 'registry.test/proxy:1', { spec: { rewrite: { policy: 'Never' } } });
  const given = index({ images: [readyImage('web', SOURCE), proxy] });
  const first = admitted(webPod(SOURCE), given);
  first.spec?.containers.push({ name: 'sidecar', image: 'registry.test/proxy:1' });
  assert.equal(admitted(first, given).metadata.annotations?.['slipstream.dev/rewrite'], 'rewritten');
});

describe('a Pod that is left as it was', () => {
  test('is told why where an AcceleratedImage names its image', () => {
    const pod = webPod(SOURCE, { metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' } } });
    assert.deepEqual(patch(pod), [
      { op: 'add', path: '/metadata/annotations', value: { 'slipstream.dev/rewrite': 'skipped: OptedOut' } },
    ]);
    admitted(pod);
  });

  test('is not touched where none does', () => {
    const pod = webPod('registry.test/other:1', { metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' } } });
    assert.deepEqual(patch(pod), []);
  });

  test('is never touched when it mirrors a static Pod', () => {
    assert.deepEqual(patch(webPod(SOURCE, { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } })), []);
  });

  test('is told anew when its annotation was copied from a Pod that was rewritten', () => {
    const copied = webPod(SOURCE, {
      metadata: {
        annotations: {
          'slipstream.dev/rewrite': 'rewritten',
          'slipstream.dev/original-images': '{"web":"registry.test/web:0"}',
        },
      },
    });
    const after = admitted(copied, index({ nodes: [plainNode('p1')] }));
    assert.deepEqual(after.metadata.annotations, { 'slipstream.dev/rewrite': 'skipped: NoCapableNode' });
  });
});

describe('an annotation of ours that came with the Pod', () => {
  /** An artifact, for all that one can tell, of an AcceleratedImage that is gone. */
  const FOREIGN = `registry.test/gone:1-nydus@${ARTIFACT_DIGEST}`;
  const annotations = (originals: unknown, ...more: object[]): object =>
    Object.assign(
      { 'slipstream.dev/rewrite': 'rewritten', 'slipstream.dev/original-images': JSON.stringify(originals) },
      ...more,
    );
  const annotationsOf = (image: string, given: object): unknown =>
    admitted(webPod(image, { metadata: { annotations: given } })).metadata.annotations;

  test('goes where it says of an ordinary image that it was rewritten, though no AcceleratedImage names it', () => {
    const given = annotations({ web: 'registry.test/web:0' }, { team: 'a' });
    assert.deepEqual(annotationsOf('registry.test/other:1', given), { team: 'a' });
  });

  test('goes where it names containers that the Pod does not have', () => {
    assert.deepEqual(annotationsOf(FOREIGN, annotations({ gone: 'registry.test/web:1' })), {});
  });

  test('goes where it is no record of images, or says what became of another Pod', () => {
    for (const odd of ['rewritten', ['web'], { web: 1 }, { web: 'not an image' }]) {
      assert.deepEqual(annotationsOf(FOREIGN, annotations(odd)), {});
    }
    assert.deepEqual(annotationsOf('registry.test/other:1', { 'slipstream.dev/rewrite': 'skipped: NotReady' }), {});
  });

  test('stays where it holds, and loses what does not', () => {
    const holds = { web: SOURCE };
    assert.deepEqual(annotationsOf(FOREIGN, annotations(holds)), annotations(holds));
    assert.deepEqual(annotationsOf(FOREIGN, annotations({ ...holds, gone: SOURCE })), annotations(holds));
  });

  test('stays on a mirror Pod, which is never touched', () => {
    const mirror = annotations({ web: SOURCE }, { 'kubernetes.io/config.mirror': 'x' });
    assert.deepEqual(patch(webPod('registry.test/other:1', { metadata: { annotations: mirror } })), []);
  });
});

test('the record stands in the order of the Pod, so that a later call finds nothing to change', () => {
  const first = admitted(webPod(SOURCE));
  assert.ok(first.spec);
  first.spec.initContainers = [{ name: 'injected', image: SOURCE }];
  admitted(first);
});

test('a rewritten Pod that is created again from its own manifest stays as it is', () => {
  const pod = admitted(webPod(SOURCE));
  const decision = decide(pod, 'team-a', index(), NOW);
  assert.equal(decision.reason, 'AlreadyRewritten');
});

describe('a Pod that names an artifact itself, as the copies of kubectl debug do,', () => {
  const annotations = {
    'slipstream.dev/rewrite': 'rewritten',
    'slipstream.dev/original-images': `{"web":"${SOURCE}"}`,
    'io.containerd.cri.runtime-handler': 'nydus',
  };
  const spec = { runtimeClassName: 'nydus', nodeSelector: { 'slipstream.dev/nydus': 'true' } };

  test('gets the annotations again that its node goes by', () => {
    const after = admitted(webPod(ARTIFACT, { spec }));
    assert.deepEqual(after.metadata.annotations, annotations);
    assert.equal(after.spec?.containers[0]?.image, ARTIFACT);
  });

  test('gets the RuntimeClass too where it has none', () => {
    const after = admitted(webPod(`registry.test/web@${ARTIFACT_DIGEST}`));
    assert.equal(after.spec?.runtimeClassName, 'nydus');
    assert.deepEqual(after.metadata.annotations, annotations);
  });

  test('keeps what it has recorded about its originals', () => {
    const recorded = { 'slipstream.dev/original-images': `{"web":"registry.test/web@${OTHER_DIGEST}"}` };
    const after = admitted(webPod(ARTIFACT, { metadata: { annotations: recorded } }));
    assert.equal(
      after.metadata.annotations?.['slipstream.dev/original-images'],
      recorded['slipstream.dev/original-images'],
    );
  });

  test('is rewritten where it names other images, and both originals are recorded', () => {
    const containers = [
      { name: 'web', image: ARTIFACT },
      { name: 'shell', image: SOURCE },
    ];
    const after = admitted(webPod(SOURCE, { spec: { ...spec, containers } }));
    assert.deepEqual(JSON.parse(after.metadata.annotations?.['slipstream.dev/original-images'] ?? ''), {
      web: SOURCE,
      shell: SOURCE,
    });
  });

  test('is not touched where it cannot have what it needs, or wants to be left alone', () => {
    const disabled = { metadata: { labels: { 'slipstream.dev/rewrite': 'disabled' } } };
    for (const pod of [webPod(ARTIFACT, { spec: { runtimeClassName: 'kata' } }), webPod(ARTIFACT, disabled)]) {
      assert.deepEqual(patch(pod), []);
    }
    assert.deepEqual(patch(webPod(ARTIFACT), index({ nodes: [plainNode('p1')] })), []);
  });

  test('is not touched where Nydus is the default snapshotter, which needs nothing', () => {
    assert.deepEqual(patch(webPod(ARTIFACT), index({ config: DEFAULT_SNAPSHOTTER })), []);
  });
});

test('an artifact that another AcceleratedImage takes for its source is not rewritten again', () => {
  const again = readyImage('again', 'registry.test/web:1-nydus', {
    status: { source: { digest: ARTIFACT_DIGEST }, artifact: { sourceDigest: ARTIFACT_DIGEST } },
  });
  const after = admitted(webPod(SOURCE), index({ images: [readyImage('web', SOURCE), again] }));
  assert.equal(after.spec?.containers[0]?.image, ARTIFACT);
});

test('a Pod is not told anything for which its annotations have no room', () => {
  const annotations = { big: 'x'.repeat(256 * 1024 - 10) };
  assert.deepEqual(patch(webPod(SOURCE, { metadata: { annotations } })), []);
  const roomier = webPod(SOURCE, { metadata: { annotations: { big: 'x'.repeat(256 * 1024 - 100) } } });
  assert.equal(admitted(roomier).metadata.annotations?.['slipstream.dev/rewrite'], 'skipped: AnnotationsFull');
});

describe('the pull secret of an artifact in another registry', () => {
  const given = index({
    images: [
      readyImage('web', SOURCE, {
        spec: { source: { pullSecretRef: { name: 'pull' } } },
        status: { artifact: { image: `other.test/web:1-nydus@${ARTIFACT_DIGEST}` } },
      }),
    ],
  });

  test("is added to the Pod's own", () => {
    const after = admitted(webPod(SOURCE, { spec: { imagePullSecrets: [{ name: 'own' }] } }), given);
    assert.deepEqual(after.spec?.imagePullSecrets, [{ name: 'own' }, { name: 'pull' }]);
  });

  test('is the only one where the Pod had none', () => {
    assert.deepEqual(admitted(webPod(SOURCE), given).spec?.imagePullSecrets, [{ name: 'pull' }]);
  });

  test('is not added twice', () => {
    const after = admitted(webPod(SOURCE, { spec: { imagePullSecrets: [{ name: 'pull' }] } }), given);
    assert.deepEqual(after.spec?.imagePullSecrets, [{ name: 'pull' }]);
  });
});

test('of an update of ephemeral containers, only the new images change', () => {
  const metadata = { annotations: { 'io.containerd.cri.runtime-handler': 'nydus' } };
  const old = webPod(ARTIFACT, { metadata, spec: { runtimeClassName: 'nydus', nodeName: 'n1' } });
  const pod = webPod(ARTIFACT, {
    metadata,
    spec: { runtimeClassName: 'nydus', nodeName: 'n1', ephemeralContainers: [{ name: 'shell', image: SOURCE }] },
  });
  const operations = ephemeralPatchOf(decideEphemeral(pod, old, 'team-a', index(), NOW));
  assert.deepEqual(operations, [{ op: 'replace', path: '/spec/ephemeralContainers/0/image', value: ARTIFACT }]);
  const again = decideEphemeral(applyPatch(pod, operations), old, 'team-a', index(), NOW);
  assert.deepEqual(ephemeralPatchOf(again), []);
});

describe('whatever comes in for a Pod, the decision does not throw, its patch applies, and a second one is empty', () => {
  /** Values that stand where something else should. */
  const ODD: readonly unknown[] = [
    undefined,
    null,
    true,
    0,
    -1.5,
    '',
    'text',
    [],
    [null],
    [[]],
    ['text'],
    {},
    { name: 1 },
    [{}],
    [{ name: 'web' }],
    [{ name: 'web', image: 7 }],
    [{ image: SOURCE }],
    [
      { name: '__proto__', image: SOURCE },
      { name: 'constructor', image: SOURCE },
    ],
    [
      { name: 'same', image: SOURCE },
      { name: 'same', image: 'registry.test/other:1' },
    ],
    JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"toString":"x"}'),
    {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [null, { matchExpressions: 'x' }] },
      },
    },
    { 'slipstream.dev/original-images': '{"web":', 'slipstream.dev/rewrite': 7 },
    { 'slipstream.dev/original-images': '[1]' },
    { 'slipstream.dev/original-images': '{"web":"registry.test/old:1","gone":"x","n":1}' },
  ];
  const PATHS = [
    '',
    'metadata',
    'metadata.labels',
    'metadata.annotations',
    'metadata.ownerReferences',
    'metadata.namespace',
    'spec',
    'spec.containers',
    'spec.initContainers',
    'spec.ephemeralContainers',
    'spec.nodeSelector',
    'spec.nodeName',
    'spec.affinity',
    'spec.tolerations',
    'spec.volumes',
    'spec.imagePullSecrets',
    'spec.runtimeClassName',
    'spec.hostUsers',
    'spec.os',
  ];
  const given = index({
    nodes: [capableNode('n1')],
    images: [
      readyImage('web', SOURCE, {
        spec: { source: { pullSecretRef: { name: 'pull' } } },
        status: { artifact: { image: `other.test/web:1-nydus@${ARTIFACT_DIGEST}` } },
      }),
    ],
  });

  for (const path of PATHS) {
    test(`with odd values at ${path === '' ? 'the root' : path}`, () => {
      for (const value of ODD) {
        const pod = replaced(webPod(SOURCE), path.split('.').filter(Boolean), value);
        const operations = patch(pod, given);
        const after = applyPatch(pod, operations);
        assert.deepEqual(patch(after, given), [], JSON.stringify({ value, operations }));
        assert.doesNotThrow(() => decideEphemeral(pod, value, 'team-a', given, NOW));
        assert.doesNotThrow(() => decideEphemeral(value, pod, 'team-a', given, NOW));
      }
    });
  }

  function replaced(at: unknown, [step, ...rest]: readonly string[], value: unknown): unknown {
    return step === undefined
      ? value
      : { ...(at as object), [step]: replaced((at as Record<string, unknown>)[step], rest, value) };
  }
});
