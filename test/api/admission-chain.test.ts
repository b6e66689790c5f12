import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { runtimeClasses, type Pod } from '../../src/kube/resources.ts';
import type { Operation } from '../../src/rewriting/patch.ts';
import { podOf, startAdmission, TEAM, unregister, type AdmissionCluster } from '../support/admission/cluster.ts';
import { register } from '../support/admission/configuration.ts';
import { registrationOf, startOtherWebhook } from '../support/admission/other-webhook.ts';
import { ARTIFACT_DIGEST, runtimeClass } from '../support/rewriting.ts';
import { until } from '../support/until.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;
const PROXY = 'registry.test/proxy:1';
const PROXY_ARTIFACT = `registry.test/proxy:1-nydus@${ARTIFACT_DIGEST}`;

let cluster: AdmissionCluster;

before(async () => {
  cluster = await startAdmission({ plugins: ['AlwaysPullImages', 'ServiceAccount'] });
  const body = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'own' },
    imagePullSecrets: [{ name: 'own' }],
  };
  await cluster.client.raw('POST', `/api/v1/namespaces/${TEAM}/serviceaccounts`, { body });
  await cluster.addImage('web', SOURCE);
  await cluster.addImage('proxy', PROXY);
  await cluster.addImage('moved', 'registry.test/moved:1', {
    spec: { source: { pullSecretRef: { name: 'pull' } } },
    status: { artifact: { image: `mirror.test/moved:1-nydus@${ARTIFACT_DIGEST}` } },
  });
});
after(() => cluster?.[Symbol.asyncDispose]());

function imagesOf({ spec }: Pod): (string | undefined)[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(({ image }) => image);
}

function originalsOf({ metadata }: Pod): unknown {
  return JSON.parse(metadata.annotations?.['slipstream.dev/original-images'] ?? '{}');
}

describe('the RuntimeClass plugin, which runs again after the webhook,', () => {
  test('finds nothing left to add, so one call is enough', async () => {
    const { pod, calls } = await cluster.create(podOf(SOURCE));
    assert.deepEqual(imagesOf(pod), [ARTIFACT]);
    assert.deepEqual(pod.spec?.nodeSelector, { 'slipstream.dev/nydus': 'true' });
    assert.equal(calls.length, 1);
  });

  test('merges what a RuntimeClass has beside, and the second call changes nothing', async () => {
    const scheduling = {
      nodeSelector: { 'slipstream.dev/nydus': 'true' },
      tolerations: [{ key: 'nydus', operator: 'Exists', effect: 'NoSchedule' }],
    };
    const overhead = { podFixed: { memory: '16Mi' } };
    await replaceRuntimeClass({ scheduling, overhead });
    try {
      const { pod, calls } = await cluster.create(podOf(SOURCE));
      assert.deepEqual(imagesOf(pod), [ARTIFACT]);
      assert.deepEqual(pod.spec?.overhead, { memory: '16Mi' });
      assert.ok(pod.spec.tolerations?.some(({ key }) => key === 'nydus'));
      assert.deepEqual(
        calls.map(({ reason, patched }) => [reason, patched]),
        [
          ['Rewritten', true],
          ['AlreadyRewritten', false],
        ],
      );
    } finally {
      await replaceRuntimeClass({});
    }
  });

  async function replaceRuntimeClass(overrides: object): Promise<void> {
    await cluster.client.delete(runtimeClasses, { name: 'nydus' });
    await cluster.client.create(runtimeClasses, runtimeClass({ ...overrides }));
    await cluster.settled(runtimeClasses, { name: 'nydus' });
    // The API server reads RuntimeClasses from a cache of its own.
    await until('the API server has the RuntimeClass', async () => {
      const { spec } = (
        await cluster.create(podOf('registry.test/other:1', { spec: { runtimeClassName: 'nydus' } }), { dryRun: true })
      ).pod;
      return (spec?.overhead === undefined) === !('overhead' in overrides);
    });
  }
});

test('a Pod of a namespace at the Pod Security level restricted is rewritten, and nothing of its security changes', async () => {
  await cluster.addNamespace('restricted', { 'pod-security.kubernetes.io/enforce': 'restricted' });
  await cluster.addImage('web', SOURCE, { metadata: { namespace: 'restricted' } });
  const securityContext = {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  };
  const metadata = { namespace: 'restricted' };
  const containers = [{ name: 'web', image: SOURCE, securityContext }];
  const { pod } = await cluster.create({ metadata, spec: { containers } });
  assert.deepEqual(imagesOf(pod), [ARTIFACT]);
  assert.deepEqual(pod.spec?.containers[0]?.securityContext, securityContext);
  await assert.rejects(cluster.create(podOf(SOURCE, { metadata })), /violates PodSecurity "restricted/);
});

test("a LimitRange's defaults reach rewritten containers", async () => {
  const limits = [{ type: 'Container', default: { memory: '64Mi' }, defaultRequest: { memory: '32Mi' } }];
  const body = { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'defaults' }, spec: { limits } };
  const path = `/api/v1/namespaces/${TEAM}/limitranges`;
  await cluster.client.raw('POST', path, { body });
  try {
    await until('the API server has the LimitRange', async () => {
      const { pod } = await cluster.create(podOf(SOURCE), { dryRun: true });
      assert.deepEqual(imagesOf(pod), [ARTIFACT]);
      return pod.spec?.containers[0]?.resources?.limits?.['memory'] === '64Mi';
    });
  } finally {
    await cluster.client.raw('DELETE', `${path}/defaults`);
  }
});

test('with AlwaysPullImages, a Pod of a policy Never is pulled, and so it is rewritten', async () => {
  const containers = [{ name: 'web', image: SOURCE, imagePullPolicy: 'Never' }];
  const { pod } = await cluster.create({ spec: { containers } });
  assert.deepEqual(imagesOf(pod), [ARTIFACT]);
  assert.equal(pod.spec?.containers[0]?.imagePullPolicy, 'Always');
});

describe('the pull secret of an artifact in another registry', () => {
  test("stands beside those of the Pod's ServiceAccount", async () => {
    const { pod } = await cluster.create(podOf('registry.test/moved:1', { spec: { serviceAccountName: 'own' } }));
    assert.deepEqual(imagesOf(pod), [`mirror.test/moved:1-nydus@${ARTIFACT_DIGEST}`]);
    assert.deepEqual(pod.spec?.imagePullSecrets, [{ name: 'own' }, { name: 'pull' }]);
  });

  test('is there where neither had one', async () => {
    const { pod } = await cluster.create(podOf('registry.test/moved:1'));
    assert.deepEqual(pod.spec?.imagePullSecrets, [{ name: 'pull' }]);
  });

  test('is not there twice, though two containers need it and the Pod names it', async () => {
    const { pod } = await cluster.create({
      spec: {
        imagePullSecrets: [{ name: 'pull' }],
        containers: ['one', 'two'].map((name) => ({ name, image: 'registry.test/moved:1' })),
      },
    });
    assert.deepEqual(pod.spec?.imagePullSecrets, [{ name: 'pull' }]);
  });
});

test('a dry run says what would become of a Pod, and stores none', async () => {
  const { pod } = await cluster.create(podOf(SOURCE), { dryRun: true });
  assert.deepEqual(imagesOf(pod), [ARTIFACT]);
  const path = `/api/v1/namespaces/${TEAM}/pods/${pod.metadata.name}`;
  await assert.rejects(cluster.client.raw('GET', path), /not found/);
});

test('a Pod whose name the API server makes up is rewritten', async () => {
  const { pod, calls } = await cluster.create(podOf(SOURCE, { metadata: { generateName: 'web-' } }));
  assert.deepEqual(imagesOf(pod), [ARTIFACT]);
  assert.match(pod.metadata.name, /^web-.+/);
  assert.equal(calls[0]?.name, '');
});

describe('a webhook that adds a sidecar', () => {
  /** Adds a container of an accelerated image to Pods that have none of the name, as service meshes do. */
  function inject(list: 'containers' | 'initContainers'): (pod: Pod) => { patch: readonly Operation[] } {
    return ({ spec }) => {
      const sidecar = {
        name: 'proxy',
        image: PROXY,
        ...(list === 'initContainers' ? { restartPolicy: 'Always' } : {}),
      };
      const present = spec?.[list];
      if (present?.some(({ name }) => name === 'proxy')) {
        return { patch: [] };
      }
      return {
        patch: [
          present === undefined
            ? { op: 'add', path: `/spec/${list}`, value: [sidecar] }
            : { op: 'add', path: `/spec/${list}/0`, value: sidecar },
        ],
      };
    };
  }

  for (const [place, configuration, patches] of [
    ['before', 'a-sidecar', 1],
    ['after', 'z-sidecar', 2],
  ] as const) {
    for (const list of ['containers', 'initContainers'] as const) {
      test(`${place} this one, to ${list}: both images are rewritten and both originals are kept`, async () => {
        await using other = await startOtherWebhook(inject(list));
        await register(cluster.client, configuration, registrationOf(other, 'sidecar'));
        try {
          await until('the API server calls it', async () => {
            const { pod } = await cluster.create(podOf('registry.test/other:1'), { dryRun: true });
            return imagesOf(pod).length === 2;
          });
          const admitted = await cluster.create(podOf(SOURCE));
          assert.deepEqual(imagesOf(admitted.pod), [PROXY_ARTIFACT, ARTIFACT]);
          assert.deepEqual(originalsOf(admitted.pod), { proxy: PROXY, web: SOURCE });
          assert.equal(admitted.pod.metadata.annotations?.['slipstream.dev/rewrite'], 'rewritten');
          assert.equal(admitted.calls.filter(({ patched }) => patched).length, patches);
        } finally {
          await unregister(cluster, configuration);
          await until('the API server calls it no more', async () => {
            const { pod } = await cluster.create(podOf('registry.test/other:1'), { dryRun: true });
            return imagesOf(pod).length === 1;
          });
        }
      });
    }
  }
});
