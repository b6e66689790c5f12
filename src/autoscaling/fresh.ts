import type { HpaFacts } from './metrics.ts';
import { groupPods } from './pods.ts';
import type { PodSample } from './pods.ts';
import { parseQuantity } from './quantity.ts';

/** What is read of a Pod. */
export interface PodFacts {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string | undefined };
  readonly spec?:
    | {
        readonly containers: readonly {
          readonly name: string;
          readonly resources?: { readonly requests?: Readonly<Record<string, string>> | undefined } | undefined;
        }[];
      }
    | undefined;
  readonly status?:
    | {
        readonly phase?: string | undefined;
        readonly startTime?: string | undefined;
        readonly conditions?:
          | readonly {
              readonly type: string;
              readonly status: string;
              readonly lastTransitionTime?: string | null | undefined;
            }[]
          | undefined;
      }
    | undefined;
}

/** What a Pod uses: PodMetrics of metrics.k8s.io/v1beta1. */
export interface PodUsage {
  readonly metadata: { readonly name: string };
  /** End of the window, RFC 3339. */
  readonly timestamp: string;
  /** Go duration in which the CPU was averaged, such as `15.03s`. */
  readonly window: string;
  readonly containers: readonly { readonly name: string; readonly usage: Readonly<Record<string, string>> }[];
}

type CurrentMetric = NonNullable<NonNullable<NonNullable<HpaFacts['status']>['currentMetrics']>[number]>;

/**
 * The current metrics of an autoscaler as it will write them when it looks next: those of resources from what the metrics API
 * says now, by its own rules (replica_calculator.go: GetResourceReplicas), and all others as its status has them. An
 * autoscaler looks every 15 s, at figures that are up to that old.
 * @param pods those of its workload
 * @returns undefined where nothing is fresher: no resource is among its metrics, or of no Pod is it known
 */
export function freshMetrics(
  hpa: HpaFacts,
  pods: readonly PodFacts[],
  usages: readonly PodUsage[],
  now: Date,
): CurrentMetric[] | undefined {
  const fresh = (hpa.spec?.metrics ?? []).flatMap((metric): CurrentMetric[] => {
    const { type, resource, containerResource } = metric;
    const source = resource ?? containerResource;
    if (source === undefined) {
      return [];
    }
    const samples = samplesOf(pods, usages, source.name, containerResource?.container);
    const current = averageOf(groupPods(samples, now.getTime()).ready, source.target.type);
    if (current === undefined) {
      return [];
    }
    return containerResource === undefined
      ? [{ type, resource: { name: source.name, current } }]
      : [{ type, containerResource: { name: source.name, container: containerResource.container, current } }];
  });
  if (fresh.length === 0) {
    return undefined;
  }
  const replaced = new Set(fresh.map(identityOf));
  const others = (hpa.status?.currentMetrics ?? []).filter((metric) => !replaced.has(identityOf(metric)));
  return [...others, ...fresh];
}

function identityOf({ type, resource, containerResource }: CurrentMetric): string | undefined {
  return resource === undefined && containerResource === undefined
    ? undefined
    : [type, resource?.name, containerResource?.container, containerResource?.name].join('/');
}

function samplesOf(
  pods: readonly PodFacts[],
  usages: readonly PodUsage[],
  resource: string,
  container: string | undefined,
): PodSample[] {
  const byName = new Map(usages.map((usage) => [usage.metadata.name, usage]));
  const isMeant = ({ name }: { readonly name: string }): boolean => container === undefined || name === container;
  return pods.map((pod) => {
    const usage = byName.get(pod.metadata.name);
    const values = usage?.containers.filter(isMeant).map((each) => parseQuantity(each.usage[resource] ?? ''));
    const requests = (pod.spec?.containers ?? [])
      .filter(isMeant)
      .map(({ resources }) => parseQuantity(resources?.requests?.[resource] ?? ''));
    return {
      phase: phaseOf(pod.status?.phase),
      deleting: pod.metadata.deletionTimestamp !== undefined,
      value: values === undefined || values.length === 0 ? undefined : sum(values),
      request: sum(requests),
      ...(resource === 'cpu' ? { cpu: readinessOf(pod, usage) } : {}),
    };
  });
}

function phaseOf(phase: string | undefined): PodSample['phase'] {
  return phase === 'Running' || phase === 'Succeeded' || phase === 'Failed' ? phase : 'Pending';
}

function readinessOf({ status }: PodFacts, usage: PodUsage | undefined): NonNullable<PodSample['cpu']> {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready === undefined || status?.startTime === undefined) {
    return 'NoStatus';
  }
  return {
    ready: ready.status === 'True',
    startedAt: Date.parse(status.startTime),
    readyChangedAt: Date.parse(ready.lastTransitionTime ?? status.startTime),
    measuredAt: Date.parse(usage?.timestamp ?? ''),
    windowMs: 1000 * Number.parseFloat(usage?.window ?? ''),
  };
}

/** As the status of an autoscaler has it: whole per cent of what is requested, or an average in thousandths. */
function averageOf(
  pods: readonly PodSample[],
  type: string,
): { averageUtilization?: number; averageValue: string } | undefined {
  const used = sum(pods.map(({ value = Number.NaN }) => value));
  const requested = sum(pods.map(({ request = Number.NaN }) => request));
  const averageValue = `${Math.ceil((1000 * used) / pods.length)}m`;
  if (pods.length === 0 || !Number.isFinite(used)) {
    return undefined;
  }
  if (type !== 'Utilization') {
    return { averageValue };
  }
  // A Pod that requests nothing has no utilization: the autoscaler fails on it, and says so itself.
  return requested > 0 ? { averageUtilization: Math.floor((100 * used) / requested), averageValue } : undefined;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
