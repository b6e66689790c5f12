import { pino, type Logger } from 'pino';
import { listWatch, type KubeClient, type Selectors } from '../kube/client.ts';
import { events, horizontalPodAutoscalers, pods, prefetchPolicies, type Resource } from '../kube/resources.ts';
import { abortable } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import { Informer } from '../runtime/informer.ts';
import type { KubeObject } from '../runtime/object.ts';
import type { Instant } from '../scaleout/instant.ts';
import { isComplete } from '../scaleout/phases.ts';
import type { Timeline } from '../scaleout/timeline.ts';
import type { Reader } from './reader.ts';
import { PULLED, readReplicaSets, type TimelineFacts } from './timeline-facts.ts';
import { reportOfTimeline, timelinesOf } from './timeline-report.ts';
import { everyMomentOf, renderMoment, renderTimelines, startOf } from './timeline-text.ts';

/** Scale-outs that are followed at a time: a pending decision, and the one before it. */
const FOLLOWED = 2;

/** What following needs. */
export interface FollowOptions {
  readonly client: KubeClient;
  readonly reader: Reader;
  /** As they are at the start. */
  readonly facts: TimelineFacts;
  readonly output: 'text' | 'json';
  readonly clock: Clock;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Writes a line for each moment as it happens, and a whole scale-out once all its Pods are Ready; with `json` that only, one
 * document per line. Resolves when the signal aborts.
 * @throws Error when the policy or its autoscaler is deleted meanwhile
 */
export async function followTimelines(o: FollowOptions, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const bounded = AbortSignal.any([signal, stop.signal]);
  const { policy, hpa, selector } = o.facts;
  const { namespace } = policy.metadata;
  let dirty = Promise.withResolvers<void>();
  const running: Promise<void>[] = [];
  function watch<T extends KubeObject>(resource: Resource<T>, selectors: Selectors): Informer<T> {
    const informer = new Informer<T>({
      name: resource.plural,
      listWatch: listWatch(o.client, resource, { namespace, ...selectors }),
      clock: o.clock,
      log: warnings(o.stderr),
    });
    informer.onChange(() => dirty.resolve());
    running.push(informer.run(bounded));
    return informer;
  }
  const named = ({ metadata }: KubeObject): Selectors => ({ fieldSelector: `metadata.name=${metadata.name}` });
  const policies = watch(prefetchPolicies, named(policy));
  const hpas = watch(horizontalPodAutoscalers, named(hpa));
  const podsOfTarget = watch(pods, { labelSelector: selector });
  const pulls = o.facts.events === 'Forbidden' ? undefined : watch(events, { fieldSelector: PULLED });
  const printer = createPrinter(o);
  printer.skip(timelinesOf(o.facts, FOLLOWED, o.clock.now()));
  let { facts } = o;
  try {
    for (const informer of [policies, hpas, podsOfTarget, pulls]) {
      await informer?.waitForSync(bounded);
    }
    while (!signal.aborted) {
      const [newPolicy, newHpa] = [policies.store.list()[0], hpas.store.list()[0]];
      if (newPolicy === undefined || newHpa === undefined) {
        const gone =
          newPolicy === undefined
            ? `PrefetchPolicy ${policy.metadata.name}`
            : `HorizontalPodAutoscaler ${hpa.metadata.name}`;
        throw new Error(`${gone} was deleted: there is nothing more to show`);
      }
      const all = podsOfTarget.store.list();
      const replicaSets = await readReplicaSets(o.reader, facts.workload, namespace, all, facts.replicaSets).catch(
        (error: unknown) => {
          // The next change asks again.
          o.stderr.write(`slipstream: ${error instanceof Error ? error.message : String(error)}\n`);
          return facts.replicaSets;
        },
      );
      facts = {
        ...facts,
        policy: newPolicy,
        hpa: newHpa,
        pods: all,
        events: pulls?.store.list() ?? 'Forbidden',
        replicaSets,
      };
      printer.print(timelinesOf(facts, FOLLOWED, o.clock.now()), facts);
      await abortable(dirty.promise, bounded);
      dirty = Promise.withResolvers<void>();
    }
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  } finally {
    stop.abort();
    await Promise.all(running);
  }
}

/** Writes of timelines what was not written before. */
function createPrinter({ output, stdout }: FollowOptions): {
  skip(timelines: readonly Timeline[]): void;
  print(timelines: readonly Timeline[], facts: TimelineFacts): void;
} {
  const written = new Set<string>();
  const isNew = (id: string): boolean => !written.has(id) && written.add(id).has(id);
  return {
    skip(timelines) {
      for (const timeline of timelines) {
        for (const { id } of everyMomentOf(timeline)) {
          written.add(idOf(timeline, id));
        }
        if (isComplete(timeline)) {
          written.add(idOf(timeline, 'complete'));
        }
      }
    },
    print(timelines, facts) {
      for (const timeline of timelines.toReversed()) {
        const start: Instant | undefined = startOf(timeline);
        for (const moment of everyMomentOf(timeline).filter(({ id }) => isNew(idOf(timeline, id)))) {
          if (output === 'text') {
            stdout.write(`${renderMoment(moment, start)}\n`);
          }
        }
        if (isComplete(timeline) && isNew(idOf(timeline, 'complete'))) {
          stdout.write(
            output === 'text'
              ? `\n${renderTimelines([timeline], facts)}\n`
              : `${JSON.stringify(reportOfTimeline(timeline, facts))}\n`,
          );
        }
      }
    },
  };
}

/** A decision keeps its moments when the scale-out follows; one without is known by the time of it. */
function idOf(timeline: Timeline, id: string): string {
  return `${startOf(timeline)?.ms} ${id}`;
}

/** A logger for the informers, whose troubles the user should see in a line each. */
function warnings(stderr: FollowOptions['stderr']): Logger {
  return pino(
    { level: 'warn' },
    {
      write(line) {
        const { msg, err } = JSON.parse(line) as { msg: string; err?: { message?: string } };
        stderr.write(`slipstream: ${msg}${err?.message === undefined ? '' : `: ${err.message}`}\n`);
      },
    },
  );
}
