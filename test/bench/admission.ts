/**
 * Latency of the admission webhook over real HTTPS on loopback, with open-loop load, and cost of its index.
 * Options: `--runs` (5), `--seconds` of each (5).
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { decide } from '../../src/rewriting/decide.ts';
import { capableNode, NOW } from '../support/rewriting.ts';
import { bigCluster, fill, reviewOf } from './admission-cluster.ts';
import type { Listening, Usage } from './admission-server.ts';
import { printFigure, quantile } from './figures.ts';
import { openLoop } from './open-loop.ts';

const IMAGES = 10_000;
const NODES = 1000;
const RATES = [50, 300, 1000];
/** Different Pods that are sent; one after another. */
const PODS = 2000;

const { values } = parseArgs({ options: { runs: { type: 'string' }, seconds: { type: 'string' } } });
const runs = Number(values.runs ?? 5);
const seconds = Number(values.seconds ?? 5);

measureIndex();
await measureHandler();

function measureIndex(): void {
  const cluster = bigCluster(IMAGES, NODES);
  const build: number[] = [];
  const image: number[] = [];
  const node: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    let started = performance.now();
    const index = fill(cluster);
    build.push((performance.now() - started) / 1000);

    started = performance.now();
    for (const each of cluster.images) {
      index.upsertImage(each);
    }
    image.push((performance.now() - started) / cluster.images.length);

    // With the next decision, which walks over all nodes again.
    const { namespace, object } = reviewOf(0, IMAGES);
    started = performance.now();
    for (let i = 0; i < 100; i += 1) {
      index.upsertNode(capableNode('node-1', { metadata: { labels: { change: String(i) } } }));
      decide(object, namespace, index, NOW);
    }
    node.push((performance.now() - started) / 100);
  }
  printFigure({ figure: 'index.build', at: '', unit: 's', values: build });
  printFigure({ figure: 'index.update', at: 'object', unit: 'ms', values: image });
  printFigure({ figure: 'index.update', at: 'node and next decision', unit: 'ms', values: node });
}

async function measureHandler(): Promise<void> {
  const path = fileURLToPath(new URL('admission-server.ts', import.meta.url));
  const server = fork(path, [String(IMAGES), String(NODES)]);
  try {
    const [{ port, ca }] = (await once(server, 'message')) as [Listening];
    // As an API server: HTTP/1.1 over connections that are kept.
    const pool = new Pool(`https://localhost:${port}`, { connections: 25, connect: { ca }, allowH2: false });
    const bodies = Array.from({ length: PODS }, (_, i) => Buffer.from(bodyOf(i)));
    const send = (i: number): Promise<void> => review(pool, bodies[i % PODS] ?? Buffer.of(), i % PODS);
    // Connections and compiled code, as they are in a process that has run for a while.
    await openLoop(300, seconds, send);
    let errors = 0;
    for (const rate of RATES) {
      errors += await measureRate(rate, send, server);
    }
    printFigure({ figure: 'admission.errors', at: '', unit: 'count', values: [errors] });
    await pool.close();
  } finally {
    server.disconnect();
    await once(server, 'exit');
  }
}

async function measureRate(rate: number, send: (i: number) => Promise<void>, server: ChildProcess): Promise<number> {
  const quantiles = { p50: 0.5, p99: 0.99, p999: 0.999 };
  const measured = { p50: [] as number[], p99: [] as number[], p999: [] as number[] };
  const cpu: number[] = [];
  let failed = 0;
  for (let run = 0; run < runs; run += 1) {
    const before = await usageOf(server);
    const { latencies, errors } = await openLoop(rate, seconds, send);
    const after = await usageOf(server);
    failed += errors;
    cpu.push((after.cpu - before.cpu) / seconds);
    for (const name of ['p50', 'p99', 'p999'] as const) {
      measured[name].push(quantile(latencies, quantiles[name]));
    }
  }
  for (const name of ['p50', 'p99', 'p999'] as const) {
    printFigure({ figure: `admission.handler.${name}`, at: `${rate}/s`, unit: 'ms', values: measured[name] });
  }
  printFigure({ figure: 'admission.cpu', at: `${rate}/s`, unit: 'cores', values: cpu });
  return failed;
}

async function usageOf(server: ChildProcess): Promise<Usage> {
  server.send('usage');
  const [usage] = (await once(server, 'message')) as [Usage];
  return usage;
}

function bodyOf(i: number): string {
  const { namespace, object } = reviewOf(i, IMAGES);
  const resource = { group: '', version: 'v1', resource: 'pods' };
  const request = { uid: String(i), kind: { group: '', version: 'v1', kind: 'Pod' }, resource, operation: 'CREATE' };
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      ...request,
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
  if (answer.statusCode !== 200 || !allowed || text.includes('"patch":') !== (i % 5 !== 3)) {
    throw new Error(`wrong answer to Pod ${i}: ${answer.statusCode} ${text}`);
  }
}
