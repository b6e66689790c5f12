import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../../hack/cluster/cluster.ts';
import { SEED } from '../../../hack/cluster/seed.ts';
import { SeedPeersProvider } from '../../../src/dragonfly/seedpeers.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { pods, prefetchPolicies } from '../../../src/kube/resources.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { readyAddresses, send, work } from './load.ts';
import { meterOrigin } from './origin.ts';
import { pull } from './pullers.ts';
import { RISING, SECONDS } from './shapes.ts';
import type { Trial } from './trial.ts';
import { LABEL, NAMESPACE, TARGET_CORES } from './workload.ts';

/** Load that has the autoscaler act at its next look, as a multiple of what one Pod takes at its target. */
const JUMP = 3.5;
const POLL_MS = 50;
const TIMEOUT_MS = 300_000;

/** Where scale-outs happen. */
export interface Stage {
  readonly client: KubeClient;
  readonly cluster: Cluster;
}

/** What one scale-out cost. */
export interface ScaleOut {
  /** From the creation of the first new Pod until it serves and every client has read the image. */
  readonly readySeconds: number;
  /** What the registry sent from the start of the load until then. */
  readonly originBytes: number;
  /** What it sent of that after the new Pod was created. */
  readonly afterEventBytes: number;
  /** The most that it sent in a second, in bytes. */
  readonly originPeak: number;
  /** From the verified warm to the new Pod, in seconds; undefined without a policy. */
  readonly lead: number | undefined;
}

/**
 * Drives load on a service until its autoscaler adds a Pod, and waits until that serves and all clients are done. Where a
 * policy is to foresee it the load rises over two minutes; else it jumps, since nothing is measured before the event.
 * @param cost CPU seconds of a request
 */
export async function scaleOut({ client, cluster }: Stage, trial: Trial, cost: number): Promise<ScaleOut> {
  const { workload, contender, pullers, image } = trial;
  const [first = ''] = await readyAddresses(client, workload.name);
  const meter = await meterOrigin(cluster);
  const over = new AbortController();
  const created = newPod(client, workload.name, AbortSignal.timeout(TIMEOUT_MS));
  const multiple = contender.hasPolicy === true ? RISING.load : (): number => JUMP;
  const load = send({
    rate: (seconds) => (multiple(seconds) * TARGET_CORES) / cost,
    addresses: () => [first],
    start: performance.now(),
    seconds: SECONDS,
    signal: over.signal,
  });
  const pod = await created;
  const event = performance.now();
  const eventAt = Date.now();
  const before = await meter.bytes();
  const proxy = contender.usesSeed ? SEED.url : undefined;
  await Promise.all([
    serves(client, pod),
    ...Array.from({ length: pullers - 1 }, () => pull(image.blobs, proxy)),
    contender.warmsAtEvent === true ? warm(trial) : undefined,
  ]);
  const readySeconds = (performance.now() - event) / 1000;
  over.abort();
  await load;
  const originBytes = await meter.bytes();
  return {
    readySeconds,
    originBytes,
    afterEventBytes: originBytes - before,
    originPeak: await meter.stop(),
    lead: contender.hasPolicy === true ? await leadOf(client, workload.name, eventAt) : undefined,
  };
}

/** Name of the next Pod of a workload that is created. */
async function newPod(client: KubeClient, workload: string, signal: AbortSignal): Promise<string> {
  const where = { namespace: NAMESPACE, labelSelector: `${LABEL}=${workload}` };
  const { resourceVersion } = await client.list(pods, where);
  const since = { ...where, resourceVersion, timeoutSeconds: TIMEOUT_MS / 1000 };
  for await (const event of client.watch(pods, since, signal)) {
    if (event.type === 'ADDED') {
      return event.object.metadata.name;
    }
  }
  throw new Error(`${workload} was not scaled out within ${TIMEOUT_MS / 1000} s`);
}

/** Resolves when a Pod answers a request. */
async function serves(client: KubeClient, name: string): Promise<void> {
  const since = performance.now();
  while (performance.now() - since < TIMEOUT_MS) {
    const { status } = await client.get(pods, { namespace: NAMESPACE, name });
    if (
      status?.podIP !== undefined &&
      (await work(status.podIP).then(
        () => true,
        () => false,
      ))
    ) {
      return;
    }
    await sleep(POLL_MS);
  }
  throw new Error(`${name} does not serve within ${TIMEOUT_MS / 1000} s`);
}

async function warm({ image }: Trial): Promise<void> {
  const seeds = [{ name: 'seed', url: SEED.url }];
  const provider = new SeedPeersProvider({ seeds: () => Promise.resolve(seeds), clock: systemClock });
  await provider.warm(image, { timeoutMs: TIMEOUT_MS, signal: new AbortController().signal });
}

async function leadOf(client: KubeClient, name: string, eventAt: number): Promise<number> {
  const { status } = await client.get(prefetchPolicies, { namespace: NAMESPACE, name });
  const verifiedAt = status?.decision?.warmVerifiedAt;
  return verifiedAt === undefined ? Number.NaN : (eventAt - new Date(verifiedAt).getTime()) / 1000;
}
