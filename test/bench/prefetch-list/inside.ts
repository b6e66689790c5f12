// Runs inside a fresh cluster (test/bench/prefetch-list.ts): the figures go to standard output, the rest to standard error.
import { openCluster, type ClusterNode } from '../../../hack/cluster/cluster.ts';
import { REGISTRY } from '../../../hack/cluster/layout.ts';
import { installSlipstream } from '../../../hack/cluster/slipstream.ts';
import { makeInferenceImage, pushInferenceImage } from '../../../hack/demo/image.ts';
import { timeStart, type Start } from '../../../hack/demo/start.ts';
import { figure } from '../../../hack/figures.ts';
import { createProgress } from '../../../hack/tools/progress.ts';
import { loadKubeClient } from '../../../src/kube/client.ts';
import { convertDirectly } from '../convert-directly.ts';
import { accelerate, learn } from './artifacts.ts';

const IMAGE = `${REGISTRY}/demo/inference:1`;
const RUNS = 3;
const MIB = 2 ** 20;

/** What the registry may send per second. */
const LINES = [
  { at: 'the registry on the same machine', bytesPerSecond: undefined },
  { at: '200 Mbit/s from the registry', bytesPerSecond: 25_000_000 },
] as const;

const progress = createProgress();
const cluster = await openCluster();
const client = loadKubeClient({ userAgent: 'slipstream-bench' });
const image = await makeInferenceImage(progress);
await Promise.all([
  progress.step(`image ${IMAGE}`, () => pushInferenceImage(IMAGE, image)),
  installSlipstream(progress),
]);
const node = cluster.nodes.at(-1);
if (node === undefined) {
  throw new Error('the cluster has no node');
}
const noList = await progress.step('conversion without a list', () => accelerate(client, IMAGE, []));
const { list } = await progress.step('learning', () => learn(client, node, IMAGE, image.expected));
const paths = list.files.map(({ path }) => path);
progress.note(
  `  ${paths.length} paths, ${(list.bytes / MIB).toFixed(1)} MiB, ${(list.share * 100).toFixed(1)} % of the image`,
);
const learntList = await progress.step('conversion with the list', () => accelerate(client, IMAGE, paths));
const everything = await progress.step('conversion with everything', () =>
  convertDirectly(IMAGE, `${REGISTRY}/demo/everything:1-nydus`, ['/']),
);
const artifacts = Object.entries({ noList, learntList, everything });

console.log(JSON.stringify(figure('learn.paths', 'paths', [paths.length])));
console.log(JSON.stringify(figure('learn.share', '%', [list.share * 100])));
for (const { at, bytesPerSecond } of LINES) {
  await cluster.limitOrigin(bytesPerSecond);
  const starts = new Map<string, Start[]>(artifacts.map(([name]) => [name, []]));
  for (let turn = 1; turn <= RUNS; turn += 1) {
    for (const [name, reference] of artifacts) {
      starts.get(name)?.push(await start(node, `${name.toLowerCase()}-${turn}`, reference));
    }
  }
  report(at, starts);
}
await client.close();

async function start(node: ClusterNode, name: string, reference: string): Promise<Start> {
  const pod = { name, image: reference, accelerated: false, runtimeClassName: 'nydus', settle: true };
  const done = await timeStart({ client, cluster, node, expected: image.expected, ...pod });
  const { readySeconds, originBytes, settledBytes = Number.NaN } = done;
  progress.note(
    `  ${name.padEnd(14)} first answer ${readySeconds.toFixed(2)} s, ${(originBytes / MIB).toFixed(1)} MiB until then, ` +
      `${(settledBytes / MIB).toFixed(1)} MiB in all`,
  );
  return done;
}

function report(at: string, starts: ReadonlyMap<string, readonly Start[]>): void {
  for (const [name, runs] of starts) {
    const figures = [
      figure(
        `start.ready.${name}`,
        's',
        runs.map(({ readySeconds }) => readySeconds),
        at,
      ),
      figure(
        `start.read.${name}`,
        'MiB',
        runs.map(({ originBytes }) => originBytes / MIB),
        at,
      ),
      figure(
        `start.readInAll.${name}`,
        'MiB',
        runs.map(({ settledBytes = Number.NaN }) => settledBytes / MIB),
        at,
      ),
    ];
    for (const one of figures) {
      console.log(JSON.stringify(one));
    }
  }
}
