import { Pool } from 'undici';
import { figure, figureAgainst, quantile, type Figure } from '../../../hack/figures.ts';
import { openLoop } from '../../support/open-loop.ts';
import { isAccelerated, reviewOf } from './cluster.ts';
import { startEcho, startServer, type ServerProcess, type WebhookProcess } from './server-process.ts';

const RATES = [50, 300, 1000];
const WARM_UP_RATE = 300;
/** Different Pods that are sent; one after another. */
const PODS = 2000;
const QUANTILES = { p50: 0.5, p99: 0.99, p999: 0.999 } as const;

/**
 * Latency of the webhook over real HTTPS on loopback, with open-loop load; each rate `runs` times for so many seconds. The
 * baseline, in turns with it, is a server that gets the same requests and answers at once: that much is the machine's.
 */
export async function measureHandler(images: number, nodes: number, runs: number, seconds: number): Promise<Figure[]> {
  const server = await startServer(images, nodes);
  const echo = await startEcho();
  const [pool, echoPool] = [poolTo(server), poolTo(echo)];
  try {
    const bodies = Array.from({ length: PODS }, (_, i) => Buffer.from(bodyOf(i, images)));
    const body = (i: number): Buffer => bodies[i % PODS] ?? Buffer.of();
    const send: Senders = {
      webhook: (i) => review(pool, body(i), i % PODS),
      echo: async (i) => void (await post(echoPool, body(i))),
    };
    // Connections and compiled code, as they are in a process that has run for a while.
    await openLoop(WARM_UP_RATE, seconds, send.webhook);
    await openLoop(WARM_UP_RATE, seconds, send.echo);
    const figures: Figure[] = [];
    const errors: number[] = [];
    for (const rate of RATES) {
      const measured = await measureRate(server, rate, runs, seconds, send);
      figures.push(...measured.figures);
      errors.push(measured.errors);
    }
    const { rss } = await server.usage();
    return [
      ...figures,
      figure('admission.rss', 'MiB', [rss]),
      figure('admission.errors', 'count', [errors.reduce((sum, each) => sum + each, 0)], 'handler'),
    ];
  } finally {
    await Promise.all([pool.close(), echoPool.close()]);
    await Promise.all([server.stop(), echo.stop()]);
  }
}

interface Senders {
  webhook: (i: number) => Promise<void>;
  echo: (i: number) => Promise<void>;
}

/** Connections as those of an API server: HTTP/1.1, kept. */
function poolTo({ port, ca }: ServerProcess): Pool {
  return new Pool(`https://localhost:${port}`, { connections: 25, connect: { ca }, allowH2: false });
}

async function measureRate(
  server: WebhookProcess,
  rate: number,
  runs: number,
  seconds: number,
  send: Senders,
): Promise<{ figures: Figure[]; errors: number }> {
  const latencies: { webhook: number[]; echo: number[] }[] = [];
  const cpu: number[] = [];
  let failed = 0;
  for (let run = 0; run < runs; run += 1) {
    const before = await server.usage();
    const webhook = await openLoop(rate, seconds, send.webhook);
    const after = await server.usage();
    const echo = await openLoop(rate, seconds, send.echo);
    failed += webhook.errors;
    cpu.push((after.cpu - before.cpu) / seconds);
    latencies.push({ webhook: webhook.latencies, echo: echo.latencies });
  }
  const at = `${rate}/s`;
  const quantiles = Object.entries(QUANTILES).map(([name, q]) =>
    figureAgainst(
      `admission.handler.${name}`,
      'ms',
      latencies.map(({ webhook }) => quantile(webhook, q)),
      latencies.map(({ echo }) => quantile(echo, q)),
      at,
    ),
  );
  return { figures: [...quantiles, figure('admission.cpu', 'cores', cpu, at)], errors: failed };
}

function bodyOf(i: number, images: number): string {
  const { namespace, object } = reviewOf(i, images);
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: String(i),
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      operation: 'CREATE',
      namespace,
      userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller' },
      object,
    },
  });
}

/** Throws where the answer is not the one that this Pod must get. */
async function review(pool: Pool, body: Buffer, i: number): Promise<void> {
  const { statusCode, text } = await post(pool, body);
  const allowed = text.includes(`"response":{"uid":"${i}","allowed":true`);
  if (statusCode !== 200 || !allowed || text.includes('"patch":') !== isAccelerated(i)) {
    throw new Error(`wrong answer to Pod ${i}: ${statusCode} ${text}`);
  }
}

async function post(pool: Pool, body: Buffer): Promise<{ statusCode: number; text: string }> {
  const headers = { 'content-type': 'application/json' };
  const answer = await pool.request({ method: 'POST', path: '/mutate-pods?timeout=2s', headers, body });
  return { statusCode: answer.statusCode, text: await answer.body.text() };
}
