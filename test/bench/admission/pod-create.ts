import { z } from 'zod';
import { figure, quantile, type Figure } from '../../../hack/figures.ts';
import { loadKubeClient, type KubeClient } from '../../../src/kube/client.ts';
import { mutatingWebhookConfigurations, namespaces, runtimeClasses } from '../../../src/kube/resources.ts';
import { objects, only, template, VALUES } from '../../api/chart.ts';
import { startEnvtest } from '../../envtest/envtest.ts';
import { runtimeClass } from '../../support/rewriting.ts';
import { until } from '../../support/until.ts';
import { openLoop } from '../../support/open-loop.ts';
import { reviewOf } from './cluster.ts';
import { startServer, type ServerProcess } from './server-process.ts';

/** Creations per second, in turns with and without the webhook. */
const RATE = 50;
/** Every 200th Pod of the big cluster is one of this namespace, and accelerated. */
const NAMESPACE = 'ns-0';
const STRIDE = 200;
/** The same Pods in a namespace that the webhook is not called for. */
const BASELINE = 'opted-out';

const Configuration = z.object({ webhooks: z.array(z.record(z.string(), z.unknown())) });
const Created = z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()).default({}) }) });

/** What the webhook adds to the creation of a Pod through a real API server, as the chart registers it. */
export async function measurePodCreate(
  images: number,
  nodes: number,
  runs: number,
  seconds: number,
): Promise<Figure[]> {
  await using envtest = await startEnvtest();
  const client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'slipstream-bench' });
  const server = await startServer(images, nodes);
  try {
    await register(client, server);
    const create = (i: number): Promise<boolean> => createPod(client, i, images);
    await until('the API server calls the webhook', () => create(0));
    const added: Record<'p50' | 'p99', number[]> = { p50: [], p99: [] };
    const failed: number[] = [];
    let sent = 0;
    for (let run = 0; run < runs; run += 1) {
      const latencies: Record<'with' | 'without', number[]> = { with: [], without: [] };
      const { errors } = await openLoop(RATE, seconds, async () => {
        const i = (sent += 1);
        const started = performance.now();
        if ((await create(i)) !== isSentToWebhook(i)) {
          throw new Error(`Pod ${i} is not what it should be`);
        }
        latencies[isSentToWebhook(i) ? 'with' : 'without'].push(performance.now() - started);
      });
      failed.push(errors);
      added.p50.push(quantile(latencies.with, 0.5) - quantile(latencies.without, 0.5));
      added.p99.push(quantile(latencies.with, 0.99) - quantile(latencies.without, 0.99));
    }
    return [
      figure('admission.podCreate.added.p50', 'ms', added.p50, `${RATE}/s`),
      figure('admission.podCreate.added.p99', 'ms', added.p99, `${RATE}/s`),
      figure('admission.failOpen', 'count', [await failOpenCount(client)]),
      figure('admission.errors', 'count', [failed.reduce((sum, each) => sum + each, 0)], 'API server'),
    ];
  } finally {
    await server.stop();
    await client.close();
  }
}

function isSentToWebhook(i: number): boolean {
  return i % 2 === 0;
}

async function register(client: KubeClient, { port, ca }: ServerProcess): Promise<void> {
  await client.create(runtimeClasses, runtimeClass());
  await client.create(namespaces, { metadata: { name: NAMESPACE } });
  const labels = { 'slipstream.dev/rewrite': 'disabled' };
  await client.create(namespaces, { metadata: { name: BASELINE, labels } });
  // As rendered, but for where the webhook is.
  const { webhooks } = Configuration.parse(only(objects(await template(VALUES.small)), 'MutatingWebhookConfiguration'));
  const clientConfig = {
    url: `https://localhost:${port}/mutate-pods`,
    caBundle: Buffer.from(ca).toString('base64'),
  };
  await client.create(mutatingWebhookConfigurations, {
    metadata: { name: 'slipstream' },
    webhooks: webhooks.map((webhook) => ({ ...webhook, clientConfig })) as never,
  });
}

/** Creates a Pod for real; returns whether it was rewritten. */
async function createPod(client: KubeClient, i: number, images: number): Promise<boolean> {
  const namespace = isSentToWebhook(i) ? NAMESPACE : BASELINE;
  const { object } = reviewOf(i * STRIDE, images);
  const answer = await client.raw('POST', `/api/v1/namespaces/${namespace}/pods`, { body: object });
  return Created.parse(JSON.parse(answer)).metadata.annotations['slipstream.dev/rewrite'] === 'rewritten';
}

/** Calls that the API server let through without an answer; the counter is not there before the first. */
async function failOpenCount(client: KubeClient): Promise<number> {
  const metrics = await client.raw('GET', '/metrics');
  const lines = metrics.matchAll(/^apiserver_admission_webhook_fail_open_count\{.*\} (\S+)$/gm);
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}
