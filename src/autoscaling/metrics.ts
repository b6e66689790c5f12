import type { ScalingRulesSpec } from './behavior.ts';
import { parseQuantity } from './quantity.ts';

interface MetricTarget {
  readonly type: string;
  readonly averageUtilization?: number | undefined;
  readonly averageValue?: string | undefined;
  readonly value?: string | undefined;
}

type MetricValues = Omit<MetricTarget, 'type'>;

interface MetricIdentifier {
  readonly name: string;
  readonly selector?: object | undefined;
}

interface DescribedObject {
  readonly kind: string;
  readonly name: string;
}

/** One metric as the spec (`target`) or the status (`current`) of a HorizontalPodAutoscaler has it. */
interface Metric<Values> {
  readonly type: string;
  readonly resource?: ({ readonly name: string } & Values) | undefined;
  readonly containerResource?: ({ readonly name: string; readonly container: string } & Values) | undefined;
  readonly pods?: ({ readonly metric: MetricIdentifier } & Values) | undefined;
  readonly object?:
    ({ readonly metric: MetricIdentifier; readonly describedObject: DescribedObject } & Values) | undefined;
  readonly external?: ({ readonly metric: MetricIdentifier } & Values) | undefined;
}

interface HpaCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string | undefined;
}

/** What is read of a HorizontalPodAutoscaler (autoscaling/v2, as served in JSON). */
export interface HpaFacts {
  readonly spec?:
    | {
        readonly minReplicas?: number | undefined;
        readonly maxReplicas: number;
        readonly metrics?: readonly Metric<{ readonly target: MetricTarget }>[] | undefined;
        readonly behavior?:
          | { readonly scaleUp?: ScalingRulesSpec | undefined; readonly scaleDown?: ScalingRulesSpec | undefined }
          | undefined;
      }
    | undefined;
  readonly status?:
    | {
        readonly currentReplicas?: number | undefined;
        readonly desiredReplicas?: number | undefined;
        /** RFC 3339, in whole seconds. */
        readonly lastScaleTime?: string | undefined;
        /** null until the first metrics came, whatever the generated types say. */
        readonly currentMetrics?: readonly Metric<{ readonly current: MetricValues }>[] | null | undefined;
        readonly conditions?: readonly HpaCondition[] | null | undefined;
      }
    | undefined;
}

/** A metric of an autoscaler against its target. */
export interface MetricSample {
  /** Which metric it is, the same in every sample of one autoscaler, such as `Resource/cpu` or `External/queue_length`. */
  readonly metric: string;
  /** In the unit of the target: percent of the request, or the metric's own. */
  readonly current: number;
  readonly target: number;
  /** `current` divided by `target`: the autoscaler acts when it leaves 1 ± tolerance. */
  readonly ratio: number;
}

/**
 * Each metric that both the spec and the status of an autoscaler have, of every source type, against its target. Metrics
 * that are missing, not numbers, or have no positive target are left out.
 */
export function samplesOf(hpa: HpaFacts): MetricSample[] {
  const currentByMetric = new Map(
    (hpa.status?.currentMetrics ?? []).flatMap((metric) => {
      const source = sourceOf(metric);
      return source === undefined ? [] : [[source.id, source.values.current] as const];
    }),
  );
  return (hpa.spec?.metrics ?? []).flatMap((metric) => {
    const source = sourceOf(metric);
    if (source === undefined) {
      return [];
    }
    const { target: wanted } = source.values;
    const target = valueFor(wanted.type, wanted);
    const current = valueFor(wanted.type, currentByMetric.get(source.id) ?? {});
    const ratio = current / target;
    return target > 0 && Number.isFinite(ratio) ? [{ metric: source.id, current, target, ratio }] : [];
  });
}

/** Identity and values of whichever source a metric has. The selector and the object tell metrics of one name apart. */
function sourceOf<Values>(metric: Metric<Values>): { id: string; values: Values } | undefined {
  const { type, resource, containerResource, pods, object, external } = metric;
  if (resource !== undefined) {
    return { id: `${type}/${resource.name}`, values: resource };
  }
  if (containerResource !== undefined) {
    return { id: `${type}/${containerResource.container}/${containerResource.name}`, values: containerResource };
  }
  if (object !== undefined) {
    const { kind, name } = object.describedObject;
    return { id: `${type}/${kind}/${name}/${identify(object.metric)}`, values: object };
  }
  const source = pods ?? external;
  return source === undefined ? undefined : { id: `${type}/${identify(source.metric)}`, values: source };
}

function identify({ name, selector }: MetricIdentifier): string {
  return selector === undefined ? name : `${name}${JSON.stringify(selector)}`;
}

function valueFor(targetType: string, values: MetricValues): number {
  switch (targetType) {
    case 'Utilization':
      return values.averageUtilization ?? Number.NaN;
    case 'AverageValue':
      return parseQuantity(values.averageValue ?? '');
    default:
      return parseQuantity(values.value ?? '');
  }
}
