import pLimit from 'p-limit';
import type { Logger } from 'pino';
import type { PrefetchPolicy } from '../../api/v1alpha1/prefetchpolicy.ts';
import { freshMetrics } from '../../autoscaling/fresh.ts';
import type { HpaFacts } from '../../autoscaling/metrics.ts';
import type { KubeClient } from '../../kube/client.ts';
import { podMetrics, pods } from '../../kube/resources.ts';
import type { HorizontalPodAutoscaler } from '../../kube/resources.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Runnable } from '../../runtime/manager.ts';
import { keyOf } from '../../runtime/object.ts';
import type { Key } from '../../runtime/object.ts';
import type { ReadStore } from '../../runtime/store.ts';
import { concerns } from '../../scaleout/concerns.ts';
import { selectorText } from '../../scaleout/selector.ts';
import { readWorkload } from './target.ts';

/** Pause between two looks: a third of metrics-server's own. */
const PAUSE_MS = 5000;
/** The same after a look that failed: a cluster may have no metrics API, or it may be down. */
const PAUSE_AFTER_FAILURE_MS = 60_000;
const AT_ONCE = 4;
/** How long what was read counts: metrics-server has newer ones after 15 s. */
const VALID_MS = 30_000;

export interface MetricsReaderOptions {
  client: KubeClient;
  policies: ReadStore<PrefetchPolicy>;
  autoscalers: ReadStore<HorizontalPodAutoscaler>;
  /** Called when an autoscaler's metrics are known before it has looked at them itself. */
  onFresh(hpa: HorizontalPodAutoscaler, facts: HpaFacts): void;
  clock: Clock;
  log: Logger;
}

/** Reads the resource metrics that autoscalers of policies go by, more often than they do. */
export interface MetricsReader extends Runnable {
  /** The autoscaler with the metrics that it would see if it looked now, where they are known to be newer than its own. */
  readonly latest: (hpa: HorizontalPodAutoscaler) => HpaFacts;
}

/** What was last read for one autoscaler. */
interface Reading {
  readonly facts: HpaFacts;
  /** When, as the clock's monotonic time. */
  readonly at: number;
  /** Of the autoscaler's object then: once that has changed it has looked itself. */
  readonly resourceVersion: string | undefined;
  /** What tells this state of the metrics API from another. */
  readonly stamp: string;
}

/**
 * Makes a {@link MetricsReader}. metrics-server has new figures every 15 s, and an autoscaler looks at them every 15 s, on
 * average half of that later: that is the time which is gained here. Where metrics cannot be read, nothing is lost: what an
 * autoscaler's status says counts then.
 */
export function createMetricsReader(o: MetricsReaderOptions): MetricsReader {
  const readings = new Map<Key, Reading>();
  /** By autoscaler and target: the selector of a workload never changes, which workload is scaled may. */
  const selectors = new Map<string, string>();
  const limit = pLimit(AT_ONCE);

  function watched(): HorizontalPodAutoscaler[] {
    const policies = o.policies.list().filter(({ spec }) => !spec.suspend);
    return o.autoscalers.list().filter((hpa) => hasResource(hpa) && policies.some((policy) => concerns(policy, hpa)));
  }

  async function selectorOf(hpa: HorizontalPodAutoscaler, signal: AbortSignal): Promise<string | undefined> {
    const key = `${hpa.metadata.uid} ${JSON.stringify(hpa.spec?.scaleTargetRef)}`;
    const known = selectors.get(key);
    if (known !== undefined) {
      return known;
    }
    const selector = selectorText((await readWorkload(o.client, hpa, signal)).spec?.selector);
    if (selector !== undefined) {
      selectors.set(key, selector);
    }
    return selector;
  }

  async function read(hpa: HorizontalPodAutoscaler, signal: AbortSignal): Promise<void> {
    const { namespace } = hpa.metadata;
    const labelSelector = await selectorOf(hpa, signal);
    if (labelSelector === undefined) {
      return;
    }
    const usages = await o.client.list(podMetrics, { namespace, labelSelector }, signal);
    const stamp = usages.items.map(({ metadata, timestamp }) => `${metadata.name} ${timestamp}`).join();
    if (readings.get(keyOf(hpa))?.stamp === stamp) {
      return;
    }
    const current = await o.client.list(pods, { namespace, labelSelector, resourceVersion: '0' }, signal);
    const metrics = freshMetrics(hpa, current.items, usages.items, o.clock.now());
    if (metrics === undefined) {
      return;
    }
    const facts: HpaFacts = { spec: hpa.spec, status: { ...hpa.status, currentMetrics: metrics } };
    const { resourceVersion } = hpa.metadata;
    readings.set(keyOf(hpa), { facts, at: o.clock.monotonic(), resourceVersion, stamp });
    o.onFresh(hpa, facts);
  }

  async function readAll(signal: AbortSignal): Promise<boolean> {
    const hpas = watched();
    const keys = new Set(hpas.map((hpa) => keyOf(hpa)));
    for (const key of readings.keys()) {
      if (!keys.has(key)) {
        readings.delete(key);
      }
    }
    if (selectors.size > 2 * hpas.length) {
      selectors.clear();
    }
    const results = await Promise.allSettled(hpas.map((hpa) => limit(() => read(hpa, signal))));
    signal.throwIfAborted();
    const failures = results.filter((result) => result.status === 'rejected');
    if (failures[0] !== undefined) {
      o.log.debug(
        { err: failures[0].reason, failed: failures.length },
        'metrics are not read before the autoscaler does',
      );
    }
    return failures.length === 0 || failures.length < hpas.length;
  }

  return {
    name: 'metrics-reader',
    latest(hpa) {
      const reading = readings.get(keyOf(hpa));
      return reading !== undefined &&
        reading.resourceVersion === hpa.metadata.resourceVersion &&
        o.clock.monotonic() - reading.at < VALID_MS
        ? reading.facts
        : hpa;
    },
    async run(signal) {
      try {
        for (;;) {
          const read = await readAll(signal);
          await o.clock.sleep(read ? PAUSE_MS : PAUSE_AFTER_FAILURE_MS, signal);
        }
      } catch (error) {
        if (!signal.aborted) {
          throw error;
        }
      }
    },
  };
}

function hasResource({ spec }: HorizontalPodAutoscaler): boolean {
  return spec?.metrics?.some(({ type }) => type === 'Resource' || type === 'ContainerResource') === true;
}
