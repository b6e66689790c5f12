import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { type KubeClient, loadKubeClient } from '../../src/kube/client.ts';
import { mutatingWebhookConfigurations, namespaces, pods } from '../../src/kube/resources.ts';
import { type Envtest, startEnvtest } from '../envtest/envtest.ts';
import { loopbackCertificate } from '../support/loopback-certificate.ts';
import { until } from '../support/until.ts';
import { NAMESPACE, objects, only, RELEASE, template, VALUES } from './chart.ts';

const Review = z.object({
  request: z.object({ uid: z.string(), operation: z.string(), name: z.string(), namespace: z.string() }),
});
const Configuration = z.object({ webhooks: z.array(z.looseObject({ name: z.string() })) });

describe("the chart's webhook configuration on a real API server", () => {
  let envtest: Envtest;
  let client: KubeClient;
  let server: Server;
  /** What the API server asked about: `OPERATION namespace/name`. */
  const asked: string[] = [];

  before(async () => {
    envtest = await startEnvtest();
    client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'chart-webhook-test' });
    server = createServer(loopbackCertificate, (request, response) => {
      void json(request).then((body) => {
        const { uid, operation, namespace, name } = Review.parse(body).request;
        asked.push(`${operation} ${namespace}/${name}`);
        const answer = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, allowed: true } };
        response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    for (const name of [NAMESPACE, 'team-a']) await client.create(namespaces, { metadata: { name } });
    const labels = { 'slipstream.dev/rewrite': 'disabled' };
    await client.create(namespaces, { metadata: { name: 'opted-out', labels } });

    // As rendered, but for where the webhook is.
    const { webhooks } = Configuration.parse(
      only(objects(await template(VALUES.small)), 'MutatingWebhookConfiguration'),
    );
    const clientConfig = {
      url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/mutate-pods`,
      caBundle: Buffer.from(loopbackCertificate.cert).toString('base64'),
    };
    await client.create(mutatingWebhookConfigurations, {
      metadata: { name: RELEASE },
      webhooks: webhooks.map((webhook) => ({ ...webhook, clientConfig })),
    });
    await until('the API server calls the webhook', async () => {
      await create('team-a', 'probe', {}, true);
      return asked.length > 0;
    });
  });
  after(async () => {
    server?.close();
    await client?.close();
    await envtest?.stop();
  });

  async function create(namespace: string, name: string, metadata: object = {}, dryRun = false): Promise<void> {
    const body = {
      metadata: { ...metadata, name },
      spec: { containers: [{ name: 'web', image: 'registry.test/web:1' }], nodeName: 'node-1' },
    };
    const query = dryRun ? { dryRun: 'All' } : {};
    await client.raw('POST', `/api/v1/namespaces/${namespace}/pods`, { body, query });
  }

  /** What was asked about a Pod of this name. */
  function askedAbout(name: string): string[] {
    return asked.filter((line) => line.endsWith(`/${name}`));
  }

  test('a new Pod is looked at once', async () => {
    await create('team-a', 'plain');
    assert.deepEqual(askedAbout('plain'), ['CREATE team-a/plain']);
  });

  test('an ephemeral container of a running Pod is looked at, other updates are not', async () => {
    await create('team-a', 'debugged');
    const ref = { namespace: 'team-a', name: 'debugged' };
    await client.patch(pods, ref, { metadata: { labels: { a: 'b' } } }, 'application/merge-patch+json');
    const ephemeralContainers = [{ name: 'shell', image: 'registry.test/tools:1' }];
    await client.patch(pods, ref, { spec: { ephemeralContainers } }, 'application/strategic-merge-patch+json', {
      subresource: 'ephemeralcontainers',
    });
    // The API server asks again where its cache was behind and the update has to be tried once more.
    assert.deepEqual([...new Set(askedAbout('debugged'))], ['CREATE team-a/debugged', 'UPDATE team-a/debugged']);
  });

  test("Pods of kube-system, of the operator's own namespace and of one that opted out are never sent", async () => {
    for (const namespace of ['kube-system', NAMESPACE, 'opted-out']) {
      await create(namespace, 'excluded');
    }
    assert.deepEqual(askedAbout('excluded'), []);
  });

  test('mirror Pods are never sent', async () => {
    await create('team-a', 'mirror', { annotations: { 'kubernetes.io/config.mirror': 'hash' } });
    assert.deepEqual(askedAbout('mirror'), []);
  });

  test('a Pod is created as it is when the webhook cannot be reached', async () => {
    server.closeAllConnections();
    server.close();
    await create('team-a', 'alone');
    const pod = await client.get(pods, { namespace: 'team-a', name: 'alone' });
    assert.equal(pod.spec?.containers[0]?.image, 'registry.test/web:1');
  });
});
