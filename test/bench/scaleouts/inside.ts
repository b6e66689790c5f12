// Runs inside a fresh cluster (test/bench/scaleouts.ts): the figures go to standard output, the table to standard error.
import { setTimeout as sleep } from 'node:timers/promises';
import { installSlipstream } from '../../../hack/cluster/slipstream.ts';
import { figure, quantile } from '../../../hack/figures.ts';
import { createProgress } from '../../../hack/tools/progress.ts';
import { keptDecisions } from '../../../src/autoscaling/decision.ts';
import { loadKubeClient } from '../../../src/kube/client.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { deployments, horizontalPodAutoscalers, pods, prefetchPolicies } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/kube/resources.ts';
import { until } from '../../support/until.ts';
import { secondsPerRequest, send } from './load.ts';
import { DECOYS, SECONDS, SHAPES } from './shapes.ts';
import type { Shape } from './shapes.ts';
import { deploy, LABEL, NAMESPACE, remove, TARGET_CORES } from './workload.ts';

/** Workloads at a time: what the machine bears beside the cluster. */
const WAVE = 8;
const POLL_MS = 250;

/** What became of one load. Times in milliseconds since the epoch. */
interface Result {
  readonly shape: Shape;
  /** When the first Pod beyond those at the start was seen. */
  readonly firstNewPod: number | undefined;
  /** Lead of the verified warm over it, in seconds. */
  readonly lead: number | undefined;
  readonly said: string;
}

const progress = createProgress();
const client = loadKubeClient({ userAgent: 'slipstream-bench' });
await installSlipstream(progress);
const results: Result[] = [];
const all = [...SHAPES, ...DECOYS];
for (let first = 0; first < all.length; first += WAVE) {
  results.push(...(await wave(client, all.slice(first, first + WAVE), first)));
}
await client.close();
report(results);

async function wave(client: KubeClient, shapes: readonly Shape[], first: number): Promise<Result[]> {
  const begin = new Date(Math.ceil((Date.now() + 75_000) / 60_000) * 60_000 - 30_000);
  const workloads = shapes.map((shape, i) => ({ name: `shape-${first + i}`, shape }));
  for (const { name, shape } of workloads) {
    await deploy(client, name, shape, begin);
  }
  const addresses = new Map<string, string[]>();
  const firstNewPods = new Map<string, number>();
  const refresh = async (): Promise<void> => {
    const { items } = await client.list(pods, { namespace: NAMESPACE, labelSelector: LABEL });
    for (const { name, shape } of workloads) {
      const own = items.filter(({ metadata }) => metadata.labels?.[LABEL] === name);
      addresses.set(
        name,
        own.filter(isReady).flatMap(({ status }) => status?.podIP ?? []),
      );
      if (own.length > shape.minReplicas && !firstNewPods.has(name)) {
        firstNewPods.set(name, Date.now());
      }
    }
  };
  await until('all services answer', async () => {
    await refresh();
    return workloads.every(({ name, shape }) => addresses.get(name)?.length === shape.minReplicas);
  });
  const cost = await secondsPerRequest(addresses.get(workloads[0]?.name ?? '')?.[0] ?? '');
  progress.note(`${shapes.length} services; a request costs ${(cost * 1000).toFixed(1)} ms of CPU`);
  const start = performance.now() + Math.max(0, begin.getTime() - Date.now());
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      await refresh();
      await sleep(POLL_MS);
    }
  })();
  await progress.step(`loads ${first + 1} to ${first + shapes.length} of ${all.length}`, () =>
    Promise.all(
      workloads.map(({ name, shape }) =>
        send({
          rate: (seconds) => (shape.load(seconds) * TARGET_CORES) / cost,
          addresses: () => addresses.get(name) ?? [],
          start,
          seconds: SECONDS,
        }),
      ),
    ),
  );
  over.abort();
  await watching;
  const results = await Promise.all(
    workloads.map(({ name, shape }) => resultOf(client, name, shape, firstNewPods.get(name))),
  );
  for (const { name } of workloads) {
    await remove(client, name);
  }
  await until(
    'the services are gone',
    async () => (await client.list(deployments, { namespace: NAMESPACE, labelSelector: LABEL })).items.length === 0,
  );
  return results;
}

async function resultOf(
  client: KubeClient,
  name: string,
  shape: Shape,
  firstNewPod: number | undefined,
): Promise<Result> {
  const { status } = await client.get(prefetchPolicies, { namespace: NAMESPACE, name });
  const decisions = keptDecisions(status ?? {});
  // The decision that was first to bring what the first new Pod read.
  const decision = decisions.at(-1);
  const verified = decision?.warmVerifiedAt === undefined ? undefined : new Date(decision.warmVerifiedAt).getTime();
  const lead = firstNewPod === undefined || verified === undefined ? undefined : (firstNewPod - verified) / 1000;
  const hpa = await client.get(horizontalPodAutoscalers, { namespace: NAMESPACE, name });
  const said = decisions.map((each) => `${each.trigger} ${each.reason} ${each.outcome ?? 'open'}`).join(', ');
  progress.note(
    `  ${shape.name.padEnd(24)} ${shape.minReplicas}→${hpa.status?.desiredReplicas ?? '?'} Pods  ` +
      `${lead === undefined ? 'no lead' : `lead ${lead.toFixed(1)} s`}  ${said || 'no decision'}`,
  );
  return { shape, firstNewPod, lead, said };
}

function report(results: readonly Result[]): void {
  const scaled = results.filter(({ firstNewPod }) => firstNewPod !== undefined);
  const alarms = results.filter(({ firstNewPod, said }) => firstNewPod === undefined && said !== '');
  const decided = results.filter(({ said }) => said !== '' && !said.endsWith('TooLate'));
  const leads = scaled.map(({ lead }) => lead ?? -Infinity);
  const figures = [
    ...scaled.map(({ shape, lead }) => figure('prefetch.lead', 's', [lead ?? Number.NaN], shape.name)),
    figure('prefetch.lead.p50', 's', [quantile(leads, 0.5)], `${scaled.length} scale-outs`),
    figure('prefetch.lead.p10', 's', [quantile(leads, 0.1)], `${scaled.length} scale-outs`),
    figure(
      'prefetch.before.ratio',
      '×',
      [leads.filter((lead) => lead > 0).length / scaled.length],
      `${scaled.length} scale-outs`,
    ),
    figure('prefetch.falseAlarm.ratio', '×', [alarms.length / decided.length], `${decided.length} decisions`),
  ];
  for (const one of figures) {
    console.log(JSON.stringify(one));
  }
}

function isReady(pod: Pod): boolean {
  return (
    pod.metadata.deletionTimestamp === undefined &&
    pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  );
}
