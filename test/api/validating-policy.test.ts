import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type KubeClient, loadKubeClient } from '../../src/kube/client.ts';
import { namespaces, type Pod, pods, runtimeClasses } from '../../src/kube/resources.ts';
import { decide } from '../../src/rewriting/decide.ts';
import type { RewriteIndex } from '../../src/rewriting/index.ts';
import { patchOf } from '../../src/rewriting/patch.ts';
import { type Envtest, startEnvtest } from '../envtest/envtest.ts';
import { applyPatch } from '../support/json-patch.ts';
import { merge } from '../support/merge.ts';
import { ARTIFACT, LEFT_PODS, REWRITTEN_PODS, SOURCE } from '../support/pod-cases.ts';
import { indexOf, NOW, readyImage, runtimeClass, webPod } from '../support/rewriting.ts';
import { until } from '../support/until.ts';
import { NAMESPACE, objects, template, VALUES } from './chart.ts';
import { installPolicies } from './policies.ts';

const REWRITE = 'slipstream.dev/rewrite';
const ORIGINALS = 'slipstream.dev/original-images';

/** The annotations of a rewritten Pod. */
function claim(originals: object | string = { web: SOURCE }): Record<string, string> {
  const text = typeof originals === 'string' ? originals : JSON.stringify(originals);
  return { [REWRITE]: 'rewritten', [ORIGINALS]: text };
}

/** A Pod of no controller. */
function barePod(image: string, annotations: Record<string, string>, spec: object = {}): Pod {
  return webPod(image, { metadata: { ownerReferences: [], annotations }, spec: { ...spec } });
}

/** A Pod as the webhook leaves it. */
function admitted(pod: Pod, index: RewriteIndex, namespace = 'team-a'): Pod {
  return applyPatch(pod, patchOf(decide(pod, namespace, index, NOW)));
}

const refused: Record<string, [pod: Pod, complaint: RegExp]> = {
  'that says it was rewritten, but not from what': [
    barePod(ARTIFACT, { [REWRITE]: 'rewritten' }),
    /names no container that was rewritten/,
  ],
  'whose record is empty': [barePod(ARTIFACT, claim({})), /names no container that was rewritten/],
  'that runs an ordinary image': [
    barePod('registry.test/evil:1', claim()),
    /says that container web was rewritten, but it runs no artifact/,
  ],
  'that runs the very reference it says it was rewritten from': [
    barePod(ARTIFACT, claim({ web: ARTIFACT })),
    /says that container web was rewritten/,
  ],
  'of which one container holds and another does not': [
    barePod(ARTIFACT, claim({ web: SOURCE, init: SOURCE }), {
      initContainers: [{ name: 'init', image: 'registry.test/evil:1' }],
    }),
    /says that container init was rewritten/,
  ],
  'whose record names a container that it does not have': [
    barePod(ARTIFACT, claim({ web: SOURCE, gone: SOURCE })),
    /names the container gone, which the Pod does not have/,
  ],
  'with a record alone': [
    barePod('registry.test/evil:1', { [ORIGINALS]: '{"web":"nginx"}' }),
    /says that container web/,
  ],
  'whose record is no JSON': [barePod(ARTIFACT, claim('web=nginx')), /must be a JSON object/],
  'whose record holds more than names and references': [
    barePod(ARTIFACT, claim('{"web":"nginx","x":{"web":"y"}}')),
    /must be a JSON object/,
  ],
};

const allowed: Record<string, Pod> = {
  'that says nothing of the sort': barePod('registry.test/web:1', { team: 'a' }),
  'that was told why it was left as it was': barePod('registry.test/web:1', { [REWRITE]: 'skipped: NotReady' }),
  'that was copied from a rewritten one, whatever became of its AcceleratedImage': barePod(ARTIFACT, claim()),
  'whose record was laid out by a person': barePod(ARTIFACT, claim('{\n  "web": "registry.test/web:1"\n}\n')),
  'whose artifact another webhook has pull through a mirror': barePod(`mirror.test/${ARTIFACT}`, claim()),
  'that mirrors a static one': barePod(
    'registry.test/web:1',
    { ...claim(), 'kubernetes.io/config.mirror': 'hash' },
    { nodeName: 'n1' },
  ),
  'of a controller, whose template was copied and edited while the webhook is down': webPod('registry.test/web:2', {
    metadata: { annotations: claim() },
  }),
};

describe("the chart's ValidatingAdmissionPolicy on a real API server", () => {
  let envtest: Envtest;
  let client: KubeClient;

  before(async () => {
    envtest = await startEnvtest();
    client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'validating-policy-test' });
    for (const name of [NAMESPACE, 'team-a', 'team-b', 'team-new'])
      await client.create(namespaces, { metadata: { name } });
    const labels = { [REWRITE]: 'disabled' };
    await client.create(namespaces, { metadata: { name: 'opted-out', labels } });
    for (const name of ['nydus', 'kata'])
      await client.create(runtimeClasses, { ...runtimeClass(), metadata: { name } });
    await installPolicies(client, VALUES.small);
    await until('the API server has the policy', () => create(barePod('x:1', claim())).then(() => false, isRefusal));
  });
  after(async () => {
    await client?.close();
    await envtest?.stop();
  });

  /** Creates a Pod, for a try only. Throws the refusal. */
  async function create(pod: Pod, namespace = 'team-a'): Promise<void> {
    const { uid: _uid, resourceVersion: _version, ...metadata } = pod.metadata;
    const body = { ...pod, metadata: { ...metadata, namespace } };
    await client.raw('POST', `/api/v1/namespaces/${namespace}/pods`, { body, query: { dryRun: 'All' } });
  }

  function isRefusal(error: unknown): boolean {
    return /the Pod claims to be rewritten by Slipstream, and is not/.test(String(error));
  }

  for (const [name, [pod, complaint]] of Object.entries(refused)) {
    test(`a Pod ${name} is refused, with what to do`, async () => {
      await assert.rejects(create(pod), (error) => {
        assert.match(String(error), complaint);
        assert.match(
          String(error),
          /remove the annotations slipstream.dev\/rewrite and slipstream.dev\/original-images/,
        );
        return true;
      });
    });
  }

  for (const [name, pod] of Object.entries(allowed)) {
    test(`a Pod ${name} is let through`, () => create(pod));
  }

  for (const [name, { pod, cluster, namespace }] of Object.entries({ ...REWRITTEN_PODS, ...LEFT_PODS })) {
    // Without the owner, for which the policy would let it through unseen.
    test(`a Pod that the webhook saw is let through, whatever it came with: ${name}`, async () => {
      const bare = (annotations: object): Pod =>
        merge({ ...pod }, { metadata: { ownerReferences: [], annotations } }) as unknown as Pod;
      const index = indexOf({ images: [readyImage('web', SOURCE)], ...cluster });
      for (const came of [{}, claim(), claim({ web: SOURCE, gone: SOURCE }), claim('{')]) {
        await create(admitted(bare(came), index, namespace), namespace);
      }
    });
  }

  test('Pods of kube-system, of the operator and of a namespace that opted out are not looked at', async () => {
    for (const namespace of ['kube-system', NAMESPACE, 'opted-out']) {
      await create(barePod('registry.test/evil:1', claim()), namespace);
    }
  });

  test('a Pod that exists already is never refused a change', async () => {
    const ref = { namespace: 'team-a', name: 'running' };
    const { spec } = webPod('registry.test/web:1');
    await client.create(pods, { metadata: ref, spec: { ...spec, nodeName: 'n1' } });
    await client.patch(pods, ref, { metadata: { annotations: claim() } }, 'application/merge-patch+json');
    const body = { spec: { ephemeralContainers: [{ name: 'shell', image: 'registry.test/tools:1' }] } };
    await client.patch(pods, ref, body, 'application/strategic-merge-patch+json', {
      subresource: 'ephemeralcontainers',
    });
    await client.patch(pods, ref, { metadata: { labels: { a: 'b' } } }, 'application/merge-patch+json');
    assert.equal((await client.get(pods, ref)).metadata.annotations?.[REWRITE], 'rewritten');
  });

  test('it can be left out', async () => {
    const rendered = objects(await template(VALUES.small, 'validatingPolicy.enabled=false'));
    assert.deepEqual(
      rendered.filter(({ kind }) => kind.startsWith('Validating')),
      [],
    );
  });
});
