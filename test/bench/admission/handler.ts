import { Pool } from 'undici';
import { figure, quantile, type Figure } from '../../../hack/figures.ts';
import { openLoop } from '../../support/open-loop.ts';
import { isAccelerated, reviewOf } from './cluster.ts';
import { startServer, type ServerProcess } from './server-process.ts';

const RATES = [50, 300, 1000];
const WARM_UP_RATE = 300;
/** Different Pods that are sent; one after another. */
const PODS = 2000;
const QUANTILES = { p50: 0.5, p99: 0.99, p999: 0.999 } as const;

/** Latency of the webhook over real HTTPS on loopback, with open-loop load; each rate `runs` times for so many seconds. */
export async function measureHandler(images: number, nodes: number, runs: number, seconds: number): Promise<Figure[]> {
  const server = await startServer(images, nodes);
  // As an API server: HTTP/1.1 over connections that are kept.
  const pool = new Pool(`https://localhost:${server.port}`, {
    connections: 25,
    connect: { ca: server.ca },
    allowH2: false,
  });
  try {
    const bodies = Array.from({ length: PODS }, (_, i) => Buffer.from(bodyOf(i, images)));
    const send = (i: number): Promise<void> => review(pool, bodies[i % PODS] ?? Buffer.of(), i % PODS);
    // Connections and compiled code, as they are in a process that has run for a while.
    await openLoop(WARM_UP_RATE, seconds, send);
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
    await pool.close();
    await server.stop();
  }
}

async function measureRate(
  server: ServerProcess,
  rate: number,
  runs: number,
  seconds: number,
  send: (i: number) => Promise<void>,
): Promise<{ figures: Figure[]; errors: number }> {
  const latency: Record<keyof typeof QUANTILES, number[]> = { p50: [], p99: [], p999: [] };
  const cpu: number[] = [];
  let failed = 0;
  for (let run = 0; run < runs; run += 1) {
    const before = await server.usage();
    const { latencies, errors } = await openLoop(rate, seconds, send);
    const after = await server.usage();
    failed += errors;
    cpu.push((after.cpu - before.cpu) / seconds);
    for (const name of ['p50', 'p99', 'p999'] as const) {
      latency[name].push(quantile(latencies, QUANTILES[name]));
    }
  }
  const at = `${rate}/s`;
  return {
    figures: [
      figure('admission.handler.p50', 'ms', latency.p50, at),
      figure('admission.handler.p99', 'ms', latency.p99, at),
      figure('admission.handler.p999', 'ms', latency.p999, at),
      figure('admission.cpu', 'cores', cpu, at),
    ],
    errors: failed,
  };
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
  const headers = { 'content-type': 'application/json' };
  const answer = await pool.request({ method: 'POST', path: '/mutate-pods?timeout=2s', headers, body });
  const text = await answer.body.text();
  const allowed = text.includes(`"response":{"uid":"${i}","allowed":true`);
  if (answer.statusCode !== 200 || !allowed || text.includes('"patch":') !== isAccelerated(i)) {
    throw new Error(`wrong answer to Pod ${i}: ${answer.statusCode} ${text}`);
  }
}
