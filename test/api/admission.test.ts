import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { pino } from 'pino';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { isForbidden } from '../../src/kube/errors.ts';
import { pods, runtimeClasses, secrets, type Pod } from '../../src/kube/resources.ts';
import type { RewriteIndex } from '../../src/rewriting/index.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { decodeContents, encodeContents } from '../../src/webhook/certificates/contents.ts';
import { createReviewer } from '../../src/webhook/mutate.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';
import { ARTIFACT_DIGEST, CONFIG, indexOf, namespace, readyImage, runtimeClass } from '../support/rewriting.ts';
import { until } from '../support/until.ts';
import { startWebhook, WEBHOOK, type TestWebhook } from '../support/webhook.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;

const log = pino({ level: 'silent' });

describe('the webhook on a real API server', () => {
  let envtest: Envtest;
  let client: KubeClient;
  let index: RewriteIndex;
  let webhook: TestWebhook;
  let calls = 0;

  before(async () => {
    envtest = await startEnvtest();
    client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'admission-test' });
    index = indexOf({
      images: [
        readyImage('web', SOURCE, {
          metadata: { namespace: CONFIG.operatorNamespace },
          status: { source: { resolvedAt: new Date().toISOString() } },
        }),
      ],
      namespaces: [namespace('default')],
    });
    await client.create(runtimeClasses, runtimeClass());
    const metrics = { observe: () => undefined };
    const review = createReviewer({ index, clock: systemClock, metrics, log, notify: () => undefined });
    webhook = await startWebhook(client, (body) => {
      calls += 1;
      return review(body);
    });
    await until('the API server calls the webhook', async () => (await create(SOURCE, { dryRun: true })) === ARTIFACT);
  });

  after(async () => {
    await webhook?.stop();
    await client?.close();
    await envtest?.stop();
  });

  function manifest(image: string): { metadata: { name: string; namespace: string }; spec: object } {
    return {
      metadata: { name: `web-${randomUUID()}`, namespace: 'default' },
      spec: { containers: [{ name: 'web', image }] },
    };
  }

  /** Creates a Pod, and returns the image that it got. */
  async function create(image: string, { dryRun = false } = {}): Promise<string | undefined> {
    const body = { apiVersion: 'v1', kind: 'Pod', ...manifest(image) };
    const query = dryRun ? { dryRun: 'All' } : {};
    const answer = await client.raw('POST', '/api/v1/namespaces/default/pods', { body, query });
    return (JSON.parse(answer) as Pod).spec?.containers[0]?.image;
  }

  test('a Pod runs the artifact, and only the nodes that can run it', async () => {
    const pod = await client.create(pods, manifest(SOURCE));
    assert.equal(pod.spec?.containers[0]?.image, ARTIFACT);
    assert.equal(pod.spec.runtimeClassName, 'nydus');
    assert.deepEqual(pod.spec.nodeSelector, { 'slipstream.dev/nydus': 'true' });
    assert.deepEqual(pod.metadata.annotations, {
      'io.containerd.cri.runtime-handler': 'nydus',
      'slipstream.dev/original-images': `{"web":"${SOURCE}"}`,
      'slipstream.dev/rewrite': 'rewritten',
    });
  });

  test('the RuntimeClass plugin finds nothing left to add, so one call is enough', async () => {
    const before = calls;
    await client.create(pods, manifest(SOURCE));
    assert.equal(calls - before, 1);
  });

  test('a Pod of an image that nothing accelerates is stored as it was sent', async () => {
    const pod = await client.create(pods, manifest('registry.test/other:1'));
    assert.equal(pod.spec?.containers[0]?.image, 'registry.test/other:1');
    assert.equal(pod.spec.runtimeClassName, undefined);
    assert.equal(pod.metadata.annotations, undefined);
  });

  test('an ephemeral container of a rewritten Pod runs the artifact too', async () => {
    const { metadata, spec } = manifest(SOURCE);
    await client.create(pods, { metadata, spec: { ...spec, nodeName: 'n1' } });
    const body = { spec: { ephemeralContainers: [{ name: 'shell', image: SOURCE }] } };
    const subresource = 'ephemeralcontainers';
    const pod = await client.patch(pods, metadata, body, 'application/strategic-merge-patch+json', { subresource });
    assert.equal(pod.spec?.ephemeralContainers?.[0]?.image, ARTIFACT);
  });

  test('a new serving certificate fails no call', async () => {
    for (let round = 0; round < 5; round += 1) {
      const created = Array.from({ length: 10 }, () => create(SOURCE, { dryRun: true }));
      const secret = await client.get(secrets, WEBHOOK.secret);
      await client.update(secrets, {
        ...secret,
        data: encodeContents({ ...decodeContents(secret), cert: '', key: '' }),
      });
      await webhook.certify();
      assert.deepEqual(new Set(await Promise.all(created)), new Set([ARTIFACT]));
    }
  });

  test('without the RuntimeClass the API server would reject a rewritten Pod, so Pods stay as they are', async () => {
    await client.delete(runtimeClasses, { name: 'nydus' });
    try {
      await until('the API server has noticed', () => create(SOURCE, { dryRun: true }).then(() => false, isForbidden));
      index.deleteRuntimeClass(runtimeClass());
      assert.equal(await create(SOURCE), SOURCE);
    } finally {
      await client.create(runtimeClasses, runtimeClass());
      index.upsertRuntimeClass(runtimeClass());
    }
  });
});
