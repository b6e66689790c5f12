import { PrefetchPolicyReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { Forecast, Schedule } from '../../api/v1alpha1/prefetchpolicy.ts';
import { evaluate } from '../../autoscaling/evaluate.ts';
import type { Evaluation } from '../../autoscaling/evaluate.ts';
import { forecastSign, queryOf } from '../../autoscaling/forecast.ts';
import { EvaluationReason } from '../../autoscaling/reasons.ts';
import { lookAtSchedule, ScheduleError } from '../../autoscaling/schedule.ts';
import { autoscalerSign } from '../../autoscaling/sign.ts';
import type { Sign } from '../../autoscaling/sign.ts';
import { PrometheusError } from '../../prometheus/client.ts';
import { queryNumber } from '../../prometheus/instant.ts';
import { keyOf } from '../../runtime/object.ts';
import { parseDuration } from '../duration.ts';
import { ReconcileError, stalled, waiting } from '../reconcile-error.ts';
import { newNodeSign } from './newnode.ts';
import { isBeingPrepared, newVersionSign } from './newversion.ts';
import type { Pass, PrefetchPolicyDependencies } from './pass.ts';

const RETRY_MS = 60_000;
const MIN_PAUSE_MS = 1000;

/** What all triggers of a policy say. */
export interface Look {
  readonly evaluation: Evaluation;
  /** Of those that see a reason to warm; the first speaks. */
  readonly signs: readonly Sign[];
  /** Why triggers cannot be followed. They keep no other from being so. */
  readonly problems: readonly ReconcileError[];
  /** In how many milliseconds a schedule is to be looked at again. */
  readonly nextMs: number;
}

/** Replicas as the triggers compare them. */
interface Replicas {
  readonly currentReplicas: number;
  readonly maxReplicas: number;
}

/** Looks at every trigger of a policy. */
export async function lookAtTriggers(pass: Pass, deps: PrefetchPolicyDependencies): Promise<Look> {
  const { policy, draft, hpa, signal } = pass;
  const { autoscaler, schedules = [], forecast, newVersion, newNode } = policy.spec.triggers;
  const now = deps.clock.now();
  const evaluation = evaluate(deps.latest(hpa), deps.histories.get(keyOf(hpa))?.samples() ?? [], {
    threshold: Number(autoscaler.threshold),
    horizonMs: parseDuration(autoscaler.horizon),
    now,
  });
  const { currentReplicas } = evaluation;
  const replicas = { currentReplicas, maxReplicas: hpa.spec?.maxReplicas ?? currentReplicas };
  const problems = [metricsProblem(pass, evaluation)];
  const signs = [autoscalerSign(evaluation)];
  let nextMs = Infinity;
  // Nothing can follow from these while the autoscaler may not scale up.
  if (evaluation.reason !== EvaluationReason.ScaleUpDisabled) {
    for (const schedule of schedules) {
      const { sign, problem, next } = trySchedule(schedule, replicas, now);
      signs.push(sign);
      problems.push(problem);
      nextMs = Math.min(nextMs, next);
    }
    if (forecast !== undefined) {
      const { sign, problem } = await tryForecast(forecast, replicas, deps, signal);
      signs.push(sign);
      problems.push(problem);
    }
  }
  const key = keyOf(policy);
  if (newVersion && (deps.newArtifacts.has(key) || draft.images === undefined || isBeingPrepared(draft))) {
    signs.push(newVersionSign((await pass.target()).artifacts, draft, currentReplicas));
    deps.newArtifacts.delete(key);
  }
  if (newNode) {
    signs.push(newNodeSign(deps.nodes.list(), currentReplicas, now));
  }
  return {
    evaluation,
    signs: signs.filter((sign) => sign !== undefined),
    problems: problems.filter((problem) => problem !== undefined),
    nextMs: Math.max(MIN_PAUSE_MS, nextMs),
  };
}

/** That the autoscaler cannot see its metrics, in its own words. */
function metricsProblem({ hpa }: Pass, { reason }: Evaluation): ReconcileError | undefined {
  const active = hpa.status?.conditions?.find(({ type }) => type === 'ScalingActive');
  return reason === EvaluationReason.NoMetrics && active?.status === 'False'
    ? waiting(
        Reason.MetricsMissing,
        `HorizontalPodAutoscaler ${hpa.metadata.name} has no metrics to go by: ${active.reason}: ${active.message ?? ''}`.slice(
          0,
          1024,
        ),
        RETRY_MS,
      )
    : undefined;
}

function trySchedule(
  schedule: Schedule,
  replicas: Replicas,
  now: Date,
): { sign?: Sign | undefined; problem?: ReconcileError; next: number } {
  try {
    const { sign, next } = lookAtSchedule(schedule, replicas, now);
    return { sign, next: next.getTime() - now.getTime() };
  } catch (error) {
    if (error instanceof ScheduleError) {
      return { problem: stalled(Reason.ScheduleInvalid, error.message.slice(0, 1024), error), next: Infinity };
    }
    throw error;
  }
}

async function tryForecast(
  forecast: Forecast,
  replicas: Replicas,
  { prometheus, clock }: PrefetchPolicyDependencies,
  signal: AbortSignal,
): Promise<{ sign?: Sign | undefined; problem?: ReconcileError }> {
  if (prometheus === undefined) {
    return {
      problem: stalled(
        Reason.ForecastInvalid,
        "the operator's configuration names no Prometheus to ask for forecasts; set prometheus.url in the chart's values",
      ),
    };
  }
  try {
    const answer = await queryNumber(prometheus, queryOf(forecast), signal);
    return { sign: forecastSign(forecast, answer, replicas, clock.now()) };
  } catch (error) {
    if (!(error instanceof PrometheusError)) {
      throw error;
    }
    const message = `forecast: ${error.message}`.slice(0, 1024);
    const lasting = error.kind === 'Rejected' || error.kind === 'Unusable';
    return {
      problem: lasting
        ? stalled(Reason.ForecastInvalid, message, error)
        : waiting(Reason.ForecastUnavailable, message, RETRY_MS, error),
    };
  }
}
