import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ARTIFACT_DIGEST,
  capableNode,
  indexOf,
  namespace,
  NOW,
  OTHER_DIGEST,
  plainNode,
  readyImage,
  runtimeClass,
  webPod,
} from '../../test/support/rewriting.ts';
import { decide } from './decide.ts';
import type { RewriteIndex } from './index.ts';

const SOURCE = 'registry.test/web:1';

function reason(index: RewriteIndex, image = SOURCE): string {
  return decide(webPod(image), 'team-a', index, NOW).reason;
}

test('an AcceleratedImage acts from the moment it is seen until it is gone', () => {
  const index = indexOf();
  const image = readyImage('web', SOURCE);
  assert.equal(reason(index), 'NoAcceleratedImage');
  index.upsertImage(image);
  assert.equal(reason(index), 'Rewritten');
  index.deleteImage(image);
  assert.equal(reason(index), 'NoAcceleratedImage');
  index.deleteImage(image);
  assert.equal(index.sizes.images, 0);
});

test('a changed source is followed, and the old one is forgotten', () => {
  const index = indexOf({ images: [readyImage('web', SOURCE)] });
  index.upsertImage(readyImage('web', 'registry.test/web:2'));
  assert.equal(reason(index), 'NoAcceleratedImage');
  assert.equal(reason(index, 'registry.test/web:2'), 'Rewritten');
  assert.equal(index.sizes.images, 1);
});

test('a source that is no reference any more is forgotten', () => {
  const index = indexOf({ images: [readyImage('web', SOURCE)] });
  index.upsertImage(readyImage('web', 'registry.test/Web:1'));
  assert.equal(reason(index), 'NoAcceleratedImage');
});

test('a moved tag lets Pods that pin the old digest keep its artifact until the new one replaces it', () => {
  const index = indexOf({ images: [readyImage('web', SOURCE)] });
  const moved = { source: { digest: OTHER_DIGEST }, artifact: { sourceDigest: OTHER_DIGEST } };
  index.upsertImage(readyImage('web', SOURCE, { status: moved }));
  assert.equal(reason(index), 'Rewritten');
  assert.equal(reason(index, `registry.test/web@sha256:${'5'.repeat(64)}`), 'NoAcceleratedImage');
  assert.equal(reason(index, `registry.test/web@${OTHER_DIGEST}`), 'Rewritten');
});

test('an artifact is known as one while its AcceleratedImage has it', () => {
  const index = indexOf({ images: [readyImage('web', SOURCE)] });
  const artifact = `registry.test/web@${ARTIFACT_DIGEST}`;
  assert.equal(reason(index, artifact), 'Rewritten');
  index.upsertImage(readyImage('web', SOURCE, { status: { artifact: undefined } }));
  assert.equal(reason(index, artifact), 'NoAcceleratedImage');
  index.upsertImage(readyImage('web', SOURCE));
  index.deleteImage(readyImage('web', SOURCE));
  assert.equal(reason(index, artifact), 'NoAcceleratedImage');
});

test('an artifact of another namespace is not known as one, that of the operator is', () => {
  const elsewhere = (place: string): RewriteIndex =>
    indexOf({ images: [readyImage('web', SOURCE, { metadata: { namespace: place } })] });
  const artifact = `registry.test/web@${ARTIFACT_DIGEST}`;
  assert.equal(reason(elsewhere('team-b'), artifact), 'NoAcceleratedImage');
  assert.equal(reason(elsewhere('slipstream-system'), artifact), 'Rewritten');
});

test('of two objects for one image, deleting one leaves the other', () => {
  const index = indexOf({ images: [readyImage('a', SOURCE), readyImage('b', SOURCE)] });
  index.deleteImage(readyImage('a', SOURCE));
  assert.equal(decide(webPod(SOURCE), 'team-a', index, NOW).rewrites[0]?.acceleratedImage, 'team-a/b');
});

describe('nodes', () => {
  const images = [readyImage('web', SOURCE)];

  test('that become capable, or stop being so, count at the next Pod', () => {
    const index = indexOf({ images, nodes: [plainNode('n1')] });
    assert.equal(reason(index), 'NoCapableNode');
    index.upsertNode(capableNode('n1'));
    assert.equal(reason(index), 'Rewritten');
    index.upsertNode(capableNode('n1', { status: { conditions: [{ type: 'Ready', status: 'False' }] } }));
    assert.equal(reason(index), 'NoCapableNode');
    index.upsertNode(capableNode('n1'));
    index.deleteNode(capableNode('n1'));
    assert.equal(reason(index), 'NoCapableNode');
  });

  test('of another platform stop the rewriting of an artifact that lacks it', () => {
    const index = indexOf({ images });
    assert.equal(reason(index), 'Rewritten');
    index.upsertNode(capableNode('arm', { status: { nodeInfo: { operatingSystem: 'linux', architecture: 'arm64' } } }));
    assert.equal(reason(index), 'PlatformNotCovered');
    index.deleteNode(capableNode('arm'));
    assert.equal(reason(index), 'Rewritten');
  });

  test('whose labels change are matched anew', () => {
    const index = indexOf({ images });
    const pod = webPod(SOURCE, { spec: { nodeSelector: { pool: 'fast' } } });
    assert.equal(decide(pod, 'team-a', index, NOW).reason, 'NoCapableNode');
    index.upsertNode(capableNode('n1', { metadata: { labels: { pool: 'fast' } } }));
    assert.equal(decide(pod, 'team-a', index, NOW).reason, 'Rewritten');
  });

  test('that only send heartbeats do not cost the answers that are remembered', () => {
    const index = indexOf({ images });
    const constraints = {
      nodeName: undefined,
      nodeSelector: [],
      terms: undefined,
      tolerations: [],
      os: undefined,
      devices: [],
    };
    const landing = index.landing(constraints);
    index.upsertNode(
      capableNode('n1', { status: { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: 'now' }] } }),
    );
    assert.equal(index.landing({ ...constraints }), landing);
    index.upsertNode(plainNode('p1'));
    assert.notEqual(index.landing(constraints), landing);
  });

  test('that DaemonSet Pods are pinned to do not cost the answers that are remembered', () => {
    const index = indexOf({ images });
    const free = {
      nodeName: undefined,
      nodeSelector: [],
      terms: undefined,
      tolerations: [],
      os: undefined,
      devices: [],
    };
    const landing = index.landing(free);
    for (let i = 0; i < 5000; i += 1) {
      const fields = [{ key: 'metadata.name', operator: 'In', values: [`n${i}`] }];
      assert.equal(index.landing({ ...free, terms: [{ expressions: [], fields }] }).usable, i === 1 ? 1 : 0);
    }
    assert.equal(index.landing(free), landing);
  });

  test('are judged rightly also when more different constraints come than can be remembered', () => {
    const index = indexOf({ images });
    for (let i = 0; i < 5000; i += 1) {
      const pod = webPod(SOURCE, { spec: { nodeSelector: { rack: String(i) } } });
      assert.equal(decide(pod, 'team-a', index, NOW).reason, 'NoCapableNode');
    }
    assert.equal(reason(index), 'Rewritten');
  });
});

test('a Namespace opts out and in again by its label, and is unknown once deleted', () => {
  const index = indexOf({ images: [readyImage('web', SOURCE)] });
  index.upsertNamespace(namespace('team-a', { 'slipstream.dev/rewrite': 'disabled' }));
  assert.equal(reason(index), 'OptedOut');
  index.upsertNamespace(namespace('team-a', { 'slipstream.dev/rewrite': 'enabled' }));
  assert.equal(reason(index), 'Rewritten');
  index.deleteNamespace(namespace('team-a'));
  assert.equal(reason(index), 'NamespaceUnknown');
});

test('a RuntimeClass counts while it exists; another one never does', () => {
  const index = indexOf({ images: [readyImage('web', SOURCE)] });
  index.deleteRuntimeClass(runtimeClass({ metadata: { name: 'kata' } }));
  index.upsertRuntimeClass(runtimeClass({ metadata: { name: 'kata' }, handler: 'kata' }));
  assert.equal(reason(index), 'Rewritten');
  index.deleteRuntimeClass(runtimeClass());
  assert.equal(reason(index), 'RuntimeClassMissing');
});

test('the sizes say what is held', () => {
  assert.deepEqual(indexOf({ images: [readyImage('web', SOURCE)] }).sizes, { images: 1, nodes: 1, namespaces: 2 });
});

test('an artifact is handed out exactly as the status names it', () => {
  const index = indexOf({
    images: [readyImage('web', 'nginx:1', { status: { artifact: { image: `nginx:1-nydus@${ARTIFACT_DIGEST}` } } })],
  });
  assert.equal(decide(webPod('nginx:1'), 'team-a', index, NOW).rewrites[0]?.image, `nginx:1-nydus@${ARTIFACT_DIGEST}`);
});
