// Runs inside a fresh cluster (test/bench/node-fallback.ts): the figures go to standard output, the rest to standard error.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openCluster } from '../../../hack/cluster/cluster.ts';
import { REGISTRY } from '../../../hack/cluster/layout.ts';
import { peerPart } from '../../../hack/cluster/node.ts';
import { figure } from '../../../hack/figures.ts';
import { createProgress } from '../../../hack/tools/progress.ts';
import { loadKubeClient } from '../../../src/kube/client.ts';
import { runtimeClasses } from '../../../src/kube/resources.ts';
import { convertDirectly } from '../convert-directly.ts';
import { pushNoiseImage } from '../../support/noise-image.ts';
import { goOn, hang } from './hang.ts';
import { CHUNKS, MIB_PER_CHUNK, readAll, type Reading } from './reading.ts';

const SOURCE = `${REGISTRY}/bench/noise:1`;
const RUNS = 3;
/** Chunks that the Pod has read when something happens to the peer. */
const BEFORE = 8;

const progress = createProgress();
const cluster = await openCluster();
const client = loadKubeClient({ userAgent: 'slipstream-bench' });
const node = cluster.nodes[0] ?? fail('the cluster has no node');
const peer = peerPart(node.name);
await client.create(runtimeClasses, { metadata: { name: 'nydus' }, handler: 'nydus' });
await progress.step('image', () => pushNoiseImage(SOURCE, CHUNKS * MIB_PER_CHUNK));
const image = await progress.step('conversion', () => convertDirectly(SOURCE, `${SOURCE}-nydus`));

async function forget(): Promise<void> {
  await cluster.control(peer, 'stop');
  await rm(join(cluster.layout.state, node.name, 'dragonfly/store'), { recursive: true, force: true });
  await cluster.control(peer, 'start');
}

interface State {
  readonly at: string;
  /** Before the Pod is created. */
  readonly before?: () => Promise<void>;
  /** When it has read some chunks. */
  readonly during?: () => Promise<void>;
  /** When it has ended. */
  readonly after?: () => Promise<void>;
}

const STATES: readonly State[] = [
  { at: 'the peer has nothing of the image', before: forget },
  { at: 'the peer has the image' },
  { at: 'the peer is dead before the Pod starts', before: () => cluster.control(peer, 'kill') },
  { at: 'the peer is back', before: () => cluster.control(peer, 'start') },
  {
    at: 'the peer dies while the Pod reads',
    during: () => cluster.control(peer, 'kill'),
    after: () => cluster.control(peer, 'start'),
  },
  {
    at: 'the peer hangs while the Pod reads',
    during: () => hang(node.name),
    after: () => goOn(node.name),
  },
];

/** containerd pulls it whole before the Pod starts. */
const ociStarts = new Map<string, number[]>();
const readings = new Map<string, Reading[]>(STATES.map(({ at }) => [at, []]));
for (let turn = 1; turn <= RUNS; turn += 1) {
  for (const [index, { at, before, during, after }] of STATES.entries()) {
    await before?.();
    const watch = during === undefined ? undefined : { chunks: BEFORE, run: during };
    const reading = await readAll({ client, cluster, node, image, name: `reader-${turn}-${index}`, watch });
    await after?.();
    readings.get(at)?.push(reading);
    if (during === undefined) {
      const oci = await readAll({ client, cluster, node, image: SOURCE, name: `puller-${turn}-${index}`, isOci: true });
      ociStarts.set(at, [...(ociStarts.get(at) ?? []), oci.startSeconds]);
      progress.note(`  ${at.padEnd(40)} the OCI image: start ${oci.startSeconds.toFixed(2)} s`);
    }
    progress.note(
      `  ${at.padEnd(40)} start ${reading.startSeconds.toFixed(2)} s, ${reading.mebibytesPerSecond.toFixed(0)} MiB/s, ` +
        `longest chunk ${reading.longestSeconds.toFixed(2)} s, ${(reading.originBytes / 2 ** 20).toFixed(0)} MiB from the registry`,
    );
  }
}
for (const [at, all] of ociStarts) {
  console.log(JSON.stringify(figure('fallback.start.oci', 's', all, at)));
}
for (const [at, all] of readings) {
  const columns: [name: string, unit: string, value: (reading: Reading) => number][] = [
    ['fallback.start.nydus', 's', ({ startSeconds }) => startSeconds],
    ['fallback.read', 'MiB/s', ({ mebibytesPerSecond }) => mebibytesPerSecond],
    ['fallback.longest', 's', ({ longestSeconds }) => longestSeconds],
    ['fallback.origin', 'MiB', ({ originBytes }) => originBytes / 2 ** 20],
  ];
  for (const [name, unit, value] of columns) {
    console.log(JSON.stringify(figure(name, unit, all.map(value), at)));
  }
}
await client.close();

function fail(message: string): never {
  throw new Error(message);
}
