import { setTimeout as sleep } from 'node:timers/promises';
import { figure, figureAgainst } from '../../../hack/figures.ts';
import type { Figure } from '../../../hack/figures.ts';
import type { Progress } from '../../../hack/tools/progress.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { horizontalPodAutoscalers } from '../../../src/kube/resources.ts';
import { until } from '../../support/until.ts';
import { readyAddresses, secondsPerRequest } from './load.ts';
import { scaleOut } from './scaleout.ts';
import type { ScaleOut, Stage } from './scaleout.ts';
import { prepareTrial } from './trial.ts';
import type { Contender, Trial } from './trial.ts';
import { allGone, NAMESPACE, remove } from './workload.ts';

/** What the registry's line bears: 200 Mbit/s. */
const ORIGIN_BYTES_PER_SECOND = 25_000_000;
const PULLERS = [1, 5, 20];
const MIB = 2 ** 20;

/** In this order: those that do without the seed peer come before it starts. */
const CONTENDERS: readonly Contender[] = [
  { name: 'none', usesSeed: false },
  { name: 'p2p-cold', usesSeed: true },
  { name: 'p2p-at-event', usesSeed: true, warmsAtEvent: true },
  { name: 'slipstream', usesSeed: true, hasPolicy: true },
];

/**
 * Scales services out whose new Pods read an image of their own, in turns for each way to bring it and for 1, 5 and 20 new
 * pullers: one is a node, the others are clients that read as a node's nydusd does.
 */
export async function measureContenders(stage: Stage, runs: number, progress: Progress): Promise<Figure[]> {
  const { client, cluster } = stage;
  // Nothing of the images may be on the seed peer before the scale-outs: the first Pods read from the registry itself.
  await cluster.control('dfdaemon', 'stop');
  const trials = await progress.step('services', async () => {
    const prepared: Trial[] = [];
    for (let run = 1; run <= runs; run += 1) {
      for (const contender of CONTENDERS) {
        for (const pullers of PULLERS) {
          prepared.push(await prepareTrial(client, contender, pullers, run));
        }
      }
    }
    await until('all services answer', async () => {
      const ready = await Promise.all(prepared.map(({ workload }) => readyAddresses(client, workload.name)));
      return ready.every(({ length }) => length === 1);
    });
    return prepared;
  });
  await progress.step('metrics of all services', () => metricsOf(client, trials));
  const [address = ''] = await readyAddresses(client, trials[0]?.workload.name ?? '');
  const cost = await secondsPerRequest(address);
  await cluster.limitOrigin(ORIGIN_BYTES_PER_SECOND);
  const done = new Map<Trial, ScaleOut>();
  for (const usesSeed of [false, true]) {
    if (usesSeed) {
      await cluster.startSeed();
    }
    for (const trial of trials.filter(({ contender }) => contender.usesSeed === usesSeed)) {
      const result = await progress.step(trial.workload.name, () => scaleOut(stage, trial, cost));
      done.set(trial, result);
      progress.note(`  ${describe(trial, result)}`);
      await remove(client, trial.workload);
      await sleep(2000);
    }
  }
  await cluster.limitOrigin(undefined);
  await allGone(client);
  return figuresOf(done);
}

/** Waits until every autoscaler has metrics to go by. */
async function metricsOf(client: KubeClient, trials: readonly Trial[]): Promise<void> {
  await until('all autoscalers have metrics', async () => {
    const { items } = await client.list(horizontalPodAutoscalers, { namespace: NAMESPACE });
    return trials.every(
      ({ workload }) =>
        items.find(({ metadata }) => metadata.name === workload.name)?.status?.currentMetrics?.[0] !== undefined,
    );
  });
}

function describe(
  { bytes }: Trial,
  { readySeconds, originBytes, originPeak, afterEventBytes, lead }: ScaleOut,
): string {
  const origin = `${(originBytes / bytes).toFixed(2)} copies from the registry, ${(afterEventBytes / MIB).toFixed(1)} MiB after the event`;
  const led = lead === undefined ? '' : `, lead ${lead.toFixed(1)} s`;
  return `all ready ${readySeconds.toFixed(1)} s after the event; ${origin}, at most ${(originPeak / 1e6).toFixed(1)} MB/s${led}`;
}

function figuresOf(done: ReadonlyMap<Trial, ScaleOut>): Figure[] {
  const all = [...done];
  const results = (name: string, pullers: number): [Trial, ScaleOut][] =>
    all.filter(([trial]) => trial.contender.name === name && trial.pullers === pullers);
  const cells = PULLERS.flatMap((pullers) => CONTENDERS.map(({ name }) => ({ name, pullers })));
  const ready = (name: string, pullers: number): number[] =>
    results(name, pullers).map(([, { readySeconds }]) => readySeconds);
  return [
    ...cells.map(({ name, pullers }) =>
      figureAgainst('scaleout.ready', 's', ready(name, pullers), ready('none', pullers), `${name} N=${pullers}`),
    ),
    ...cells.map(({ name, pullers }) => {
      const ratios = results(name, pullers).map(([{ bytes }, { originBytes }]) => originBytes / bytes);
      return figure('scaleout.originBytes.ratio', '×', ratios, `${name} N=${pullers}`);
    }),
    ...cells.map(({ name, pullers }) => {
      const peaks = results(name, pullers).map(([, { originPeak }]) => originPeak);
      return figure('scaleout.originPeak', 'B/s', peaks, `${name} N=${pullers}`);
    }),
    ...PULLERS.map((pullers) => {
      const ratios = results('slipstream', pullers).map(([{ bytes }, { afterEventBytes }]) => afterEventBytes / bytes);
      return figure('prefetch.originBytesAfterEvent.ratio', '×', ratios, `N=${pullers}`);
    }),
  ];
}
