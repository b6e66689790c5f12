// Runs inside a fresh cluster (hack/demo/main.ts): installs Slipstream and shows the phases that are named.
import { appendFile } from 'node:fs/promises';
import { loadKubeClient } from '../../src/kube/client.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { acceleratedImages, prefetchPolicies } from '../../src/kube/resources.ts';
import { formatBytes } from '../../src/api/v1alpha1/bytes.ts';
import { openCluster } from '../cluster/cluster.ts';
import type { Cluster, ClusterNode } from '../cluster/cluster.ts';
import { coldNode } from '../cluster/cold.ts';
import { REGISTRY } from '../cluster/layout.ts';
import { installSlipstream } from '../cluster/slipstream.ts';
import { createProgress } from '../tools/progress.ts';
import { figure, ratioFigure } from '../figures.ts';
import type { Figure } from '../figures.ts';
import { makeInferenceImage, pushInferenceImage } from './image.ts';
import type { InferenceImage } from './image.ts';
import { applyManifest, eventually, kubectl } from './objects.ts';
import { driveScaleOut } from './scaleout.ts';
import { timeStart } from './start.ts';
import type { Start } from './start.ts';
import { drawTimeline } from './timeline.ts';

const IMAGE = `${REGISTRY}/demo/inference:1`;
const RUNS = 3;
const NAMESPACE = 'default';
const NAME = 'inference';

const progress = createProgress();

interface Demo {
  client: KubeClient;
  cluster: Cluster;
  image: InferenceImage;
  /** The node that is emptied before each start, and that the scale-out spills over to. */
  node: ClusterNode;
}

const [phases = '', output = ''] = process.argv.slice(2);
try {
  const cluster = await openCluster();
  // The first half is about the image alone: every byte comes from the registry itself.
  if (cluster.options.seed) await cluster.control('dfdaemon', 'stop');
  const client = loadKubeClient({ userAgent: 'slipstream-demo' });
  const image = await makeInferenceImage(progress);
  await Promise.all([
    progress.step(`image ${IMAGE}`, () => pushInferenceImage(IMAGE, image)),
    installSlipstream(progress),
  ]);
  const figures = await convert(client);
  // Deployed before the starts are timed, so that its autoscaler has metrics when they are over.
  const home = phases.includes('scale-out') ? await deployService() : undefined;
  const node = cluster.nodes.findLast(({ name }) => name !== home);
  if (node === undefined) throw new Error(`the cluster has no node beside ${home}`);
  const demo = { client, cluster, image, node };
  if (phases.includes('start')) figures.push(...(await compareStarts(demo)));
  if (home !== undefined) figures.push(...(await scaleOut(demo, home)));
  await appendFile(output, figures.map((one) => `${JSON.stringify(one)}\n`).join(''));
  await client.close();
} catch (error) {
  progress.note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}

/** Applies the AcceleratedImage and shows the conversion until it is Ready. */
async function convert(client: KubeClient): Promise<Figure[]> {
  heading('One object: convert the image beside the registry');
  await applyManifest('accelerated-image.yaml', IMAGE);
  let shown = '';
  const ready = await eventually('the AcceleratedImage is Ready', 600, async () => {
    const { status } = await client.get(acceleratedImages, { namespace: NAMESPACE, name: NAME });
    const condition = status?.conditions?.find(({ type }) => type === 'Ready');
    const line = `  ${condition?.reason ?? 'Pending'} ${status?.conversion?.progress?.percent ?? 0}%`;
    if (line !== shown) progress.note((shown = line));
    if (status?.conditions?.some(({ type }) => type === 'Stalled')) throw new Error(`stalled: ${condition?.message}`);
    return condition?.status === 'True' ? status : undefined;
  });
  progress.note(await kubectl('get', 'acceleratedimages', NAME));
  // Its finished Pod would keep the node from being emptied.
  await kubectl('delete', 'jobs', '--selector', 'app.kubernetes.io/managed-by=slipstream', '--wait');
  const seconds = Number.parseFloat(ready.conversion?.timings?.total ?? 'NaN');
  return [
    figure('convert.wall', 's', [seconds]),
    figure('convert.bytesIn', 'B', [ready.conversion?.bytesRead ?? Number.NaN]),
    figure('convert.bytesOut', 'B', [ready.conversion?.bytesPushed ?? Number.NaN]),
  ];
}

/** Starts the service from nothing, in turns from the OCI image and, rewritten on admission, from the Nydus image. */
async function compareStarts(demo: Demo): Promise<Figure[]> {
  heading(`The same Pod on an empty node, ${RUNS} times each`);
  const oci: Start[] = [];
  const nydus: Start[] = [];
  for (let run = 1; run <= RUNS; run += 1) {
    for (const [starts, accelerated] of [
      [oci, false],
      [nydus, true],
    ] as const) {
      const name = `${accelerated ? 'nydus' : 'oci'}-${run}`;
      const start = await timeStart({ ...demo, name, image: IMAGE, accelerated, expected: demo.image.expected });
      starts.push(start);
      const { readySeconds, pullSeconds, originBytes } = start;
      progress.note(
        `  ${name.padEnd(8)} first answer ${readySeconds.toFixed(2)} s, pull ${pullSeconds.toFixed(2)} s, ${formatBytes(originBytes)} from the registry`,
      );
      if (start.image.includes('@sha256:') !== accelerated) throw new Error(`${name} ran ${start.image}`);
    }
  }
  const ready = { oci: oci.map((s) => s.readySeconds), nydus: nydus.map((s) => s.readySeconds) };
  return [
    figure('start.ready.oci', 's', ready.oci),
    figure('start.ready.nydus', 's', ready.nydus),
    ratioFigure('start.ready.ratio', ready.oci, ready.nydus),
    figure(
      'start.pull.oci',
      's',
      oci.map((s) => s.pullSeconds),
    ),
    figure(
      'start.pull.nydus',
      's',
      nydus.map((s) => s.pullSeconds),
    ),
  ];
}

/** Deploys the service under a HorizontalPodAutoscaler; returns the name of the node that it runs on. */
async function deployService(): Promise<string> {
  await applyManifest('service.yaml', IMAGE);
  await kubectl('rollout', 'status', 'deployment', NAME, '--timeout=120s');
  return kubectl('get', 'pods', '--selector', `app=${NAME}`, '--output', 'jsonpath={.items[0].spec.nodeName}');
}

/** Has a PrefetchPolicy look after the service, and drives load on it until its autoscaler adds Pods. */
async function scaleOut({ client, cluster, node }: Demo, home: string): Promise<Figure[]> {
  heading('Load rises; the second object warms the seed peer before the autoscaler acts');
  await cluster.startSeed();
  await applyManifest('prefetch-policy.yaml', IMAGE);
  await coldNode(node);
  await eventually('the autoscaler has metrics', 180, async () => {
    const text = await kubectl(
      'get',
      'hpa',
      NAME,
      '--output',
      'jsonpath={.status.currentMetrics[0].resource.current.averageUtilization}',
    );
    return text === '' ? undefined : text;
  });
  progress.note(`  the service runs on ${home}; ${node.name} is empty`);
  const result = await progress.step('load', () => driveScaleOut(client, cluster));
  progress.note(drawTimeline(result));
  for (const pod of result.newPods) progress.note(`  ${pod.name} on ${pod.node}: ${pod.image}`);
  progress.note(await kubectl('get', 'prefetchpolicies', NAME));
  const { status } = await client.get(prefetchPolicies, { namespace: NAMESPACE, name: NAME });
  const imageBytes = status?.images?.reduce((sum, one) => sum + one.bytes, 0) ?? Number.NaN;
  const share = (100 * result.originBytesAfterDecision) / imageBytes;
  progress.note(
    `  the registry sent ${formatBytes(result.originBytesAfterDecision)} after the decision: ${share.toFixed(2)} % of the image`,
  );
  return [
    figure('prefetch.lead', 's', [(result.firstPodCreated - result.warmVerified) / 1000]),
    figure('prefetch.originBytesAfterDecision', 'B', [result.originBytesAfterDecision]),
  ];
}

function heading(text: string): void {
  progress.note(`\n▸ ${text}`);
}
