import { durationMs } from '../api/v1alpha1/duration.ts';
import type { Forecast } from '../api/v1alpha1/prefetchpolicy.ts';
import type { Sign } from './sign.ts';
import { toReplicas } from './replicas.ts';

/** The query of a forecast with its horizon filled in. */
export function queryOf({ prometheusQuery, horizon }: Forecast): string {
  return prometheusQuery.replaceAll('$horizon', String((durationMs(horizon) ?? 0) / 1000));
}

/** What the answer to it says: a sign while more replicas are expected than there are, or may be. */
export function forecastSign(
  { horizon }: Forecast,
  answer: number,
  { currentReplicas, maxReplicas }: { currentReplicas: number; maxReplicas: number },
  now: Date,
): Sign | undefined {
  const expectedReplicas = Math.min(maxReplicas, toReplicas(answer));
  return expectedReplicas > currentReplicas
    ? {
        trigger: 'Forecast',
        reason: 'ReplicasForecast',
        message: `Prometheus forecasts ${expectedReplicas} replicas in ${horizon}, and there are ${currentReplicas}`,
        currentReplicas,
        expectedReplicas,
        expectedBy: new Date(now.getTime() + (durationMs(horizon) ?? 0)),
      }
    : undefined;
}
