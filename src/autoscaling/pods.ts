/** Readiness of a Pod as the CPU rule looks at it; times in milliseconds since the epoch. */
export interface CpuReadiness {
  readonly ready: boolean;
  readonly startedAt: number;
  /** When the condition Ready last changed. */
  readonly readyChangedAt: number;
  /** When the metric was taken, and over how long. */
  readonly measuredAt: number;
  readonly windowMs: number;
}

/** One Pod of a workload with its value of one metric. */
export interface PodSample {
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  /** Whether it is being deleted. */
  readonly deleting?: boolean;
  /** In the unit of the metric; undefined while there is none for this Pod. */
  readonly value: number | undefined;
  /** Sum of what its containers request, for a target that is a utilization. */
  readonly request?: number;
  /** Only where the metric is CPU; undefined there too while the Pod has no status. */
  readonly cpu?: CpuReadiness | 'NoStatus';
}

/** Pods by what the autoscaler makes of their metric. */
export interface PodGroups {
  readonly ready: readonly PodSample[];
  /** Pending, or too young for its CPU to be believed: none of its use counts, and zero on the way up. */
  readonly unready: readonly PodSample[];
  /** Running and without a value: zero on the way up, the target on the way down. */
  readonly missing: readonly PodSample[];
}

/** kube-controller-manager's `--horizontal-pod-autoscaler-cpu-initialization-period` and `-initial-readiness-delay`. */
const CPU_INITIALIZATION_MS = 300_000;
const READINESS_DELAY_MS = 30_000;

/** Sorts Pods as the autoscaler does (groupPods in replica_calculator.go). Those that failed or are being deleted are in no group. */
export function groupPods(pods: readonly PodSample[], now: number): PodGroups {
  const ready: PodSample[] = [];
  const unready: PodSample[] = [];
  const missing: PodSample[] = [];
  for (const pod of pods) {
    if (pod.deleting === true || pod.phase === 'Failed') {
      continue;
    }
    if (pod.phase === 'Pending') {
      unready.push(pod);
    } else if (pod.value === undefined || !Number.isFinite(pod.value)) {
      missing.push(pod);
    } else if (pod.cpu !== undefined && !isBelieved(pod.cpu, now)) {
      unready.push(pod);
    } else {
      ready.push(pod);
    }
  }
  return { ready, unready, missing };
}

/** A Pod burns CPU while it starts: its value counts once it was ready for a whole window, or has been ready before. */
function isBelieved(cpu: CpuReadiness | 'NoStatus', now: number): boolean {
  if (cpu === 'NoStatus') {
    return false;
  }
  const { ready, startedAt, readyChangedAt, measuredAt, windowMs } = cpu;
  return startedAt + CPU_INITIALIZATION_MS > now
    ? ready && measuredAt >= readyChangedAt + windowMs
    : ready || startedAt + READINESS_DELAY_MS <= readyChangedAt;
}
