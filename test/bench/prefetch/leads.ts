import { setTimeout as sleep } from 'node:timers/promises';
import { figure, quantile } from '../../../hack/figures.ts';
import type { Figure } from '../../../hack/figures.ts';
import type { Progress } from '../../../hack/tools/progress.ts';
import { keptDecisions } from '../../../src/autoscaling/decision.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { horizontalPodAutoscalers, pods, prefetchPolicies } from '../../../src/kube/resources.ts';
import { until } from '../../support/until.ts';
import { secondsPerRequest, send } from './load.ts';
import { pushService, SERVE } from './service.ts';
import { DECOYS, SECONDS, SHAPES } from './shapes.ts';
import type { Shape } from './shapes.ts';
import { allGone, deploy, isReady, LABEL, NAMESPACE, remove, TARGET_CORES } from './workload.ts';
import type { Workload } from './workload.ts';

/** Workloads at a time: what the machine bears beside the cluster. */
const WAVE = 8;
const POLL_MS = 250;
/** What each image has of its own, so that each has blobs to warm. */
const OWN_BYTES = 16 * 1024 * 1024;

/** A load on a service of its own. */
interface Trial {
  readonly shape: Shape;
  readonly workload: Workload;
}

/** What became of one load. Times in milliseconds since the epoch. */
interface Result {
  readonly shape: Shape;
  /** When the first Pod beyond those at the start was seen. */
  readonly firstNewPod: number | undefined;
  /** Lead of the verified warm over it, in seconds. */
  readonly lead: number | undefined;
  readonly said: string;
}

/**
 * Runs every shape of load on a service of its own under a policy, a few at a time: how long before the first new Pod its image
 * was verified warm, and how often it was warmed for nothing.
 */
export async function measureLeads(client: KubeClient, progress: Progress): Promise<Figure[]> {
  const results: Result[] = [];
  const all = [...SHAPES, ...DECOYS].map((shape, index) => ({ shape, name: `shape-${index}` }));
  for (let first = 0; first < all.length; first += WAVE) {
    const wave = all.slice(first, first + WAVE);
    const label = `loads ${first + 1} to ${first + wave.length} of ${all.length}`;
    results.push(...(await runWave(client, progress, label, wave)));
  }
  return figuresOf(results);
}

async function runWave(
  client: KubeClient,
  progress: Progress,
  label: string,
  wave: readonly { shape: Shape; name: string }[],
): Promise<Result[]> {
  const begin = new Date(Math.ceil((Date.now() + 75_000) / 60_000) * 60_000 - 30_000);
  const trials: Trial[] = [];
  for (const { shape, name } of wave) {
    const workload = {
      name,
      image: await pushService(name, OWN_BYTES),
      command: SERVE,
      minReplicas: shape.minReplicas,
      maxReplicas: shape.minReplicas + 3,
      policy: { triggers: { schedules: schedulesOf(shape, begin) } },
    };
    await deploy(client, workload);
    trials.push({ shape, workload });
  }
  const addresses = new Map<string, string[]>();
  const firstNewPods = new Map<string, number>();
  const refresh = async (): Promise<void> => {
    const { items } = await client.list(pods, { namespace: NAMESPACE, labelSelector: LABEL });
    for (const { workload } of trials) {
      const own = items.filter(({ metadata }) => metadata.labels?.[LABEL] === workload.name);
      const ready = own.filter(isReady).flatMap(({ status }) => status?.podIP ?? []);
      addresses.set(workload.name, ready);
      if (own.length > workload.minReplicas && !firstNewPods.has(workload.name)) {
        firstNewPods.set(workload.name, Date.now());
      }
    }
  };
  await until('all services answer', async () => {
    await refresh();
    return trials.every(({ workload }) => addresses.get(workload.name)?.length === workload.minReplicas);
  });
  const cost = await secondsPerRequest(addresses.get(trials[0]?.workload.name ?? '')?.[0] ?? '');
  progress.note(`  ${trials.length} services; a request costs ${(cost * 1000).toFixed(1)} ms of CPU`);
  const start = performance.now() + Math.max(0, begin.getTime() - Date.now());
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      await refresh();
      await sleep(POLL_MS);
    }
  })();
  await progress.step(label, () =>
    Promise.all(
      trials.map(({ workload, shape }) =>
        send({
          rate: (seconds) => (shape.load(seconds) * TARGET_CORES) / cost,
          addresses: () => addresses.get(workload.name) ?? [],
          start,
          seconds: SECONDS,
        }),
      ),
    ),
  );
  over.abort();
  await watching;
  const results = await Promise.all(
    trials.map((trial) => resultOf(client, progress, trial, firstNewPods.get(trial.workload.name))),
  );
  for (const { workload } of trials) {
    await remove(client, workload);
  }
  await allGone(client);
  return results;
}

async function resultOf(
  client: KubeClient,
  progress: Progress,
  { shape, workload: { name } }: Trial,
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

function figuresOf(results: readonly Result[]): Figure[] {
  const scaled = results.filter(({ firstNewPod }) => firstNewPod !== undefined);
  const alarms = results.filter(({ firstNewPod, said }) => firstNewPod === undefined && said !== '');
  const decided = results.filter(({ said }) => said !== '' && !said.endsWith('TooLate'));
  const leads = scaled.map(({ lead }) => lead ?? -Infinity);
  const before = leads.filter((lead) => lead > 0).length / scaled.length;
  const scaleOuts = `${scaled.length} scale-outs`;
  return [
    ...scaled.map(({ shape, lead }) => figure('prefetch.lead', 's', [lead ?? Number.NaN], shape.name)),
    figure('prefetch.lead.p50', 's', [quantile(leads, 0.5)], scaleOuts),
    figure('prefetch.lead.p10', 's', [quantile(leads, 0.1)], scaleOuts),
    figure('prefetch.before.ratio', '×', [before], scaleOuts),
    figure('prefetch.falseAlarm.ratio', '×', [alarms.length / decided.length], `${decided.length} decisions`),
  ];
}

/** A cron expression has minutes: the one that begins next before the time. */
function schedulesOf({ scheduledAt }: Shape, start: Date): object[] {
  if (scheduledAt === undefined) {
    return [];
  }
  const at = new Date(start.getTime() + scheduledAt * 1000);
  return [{ cron: `${at.getUTCMinutes()} ${at.getUTCHours()} * * *`, lead: '2m' }];
}
