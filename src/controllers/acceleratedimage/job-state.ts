import { z } from 'zod';
import { ConvertResult, type ConvertSuccess } from '../../converter/result.ts';
import type { Job, Pod } from '../../kube/resources.ts';

/** What is read of a worker's progress line; it stands under `progress` in its log. */
const ProgressLine = z.object({
  bytesDone: z.int().min(0),
  bytesTotal: z.int().min(0),
  percent: z.int().min(0).max(100),
});
export type ProgressLine = z.infer<typeof ProgressLine>;

/** What a worker leaves behind where it fails. */
interface WorkerFailure {
  ok: false;
  reason: string;
  message: string;
  permanent: boolean;
}

export type JobState<Success = ConvertSuccess> =
  | { phase: 'Running'; pod: Pod | undefined }
  | {
      phase: 'Succeeded';
      result: Success;
      startedAt: Date | undefined;
      finishedAt: Date | undefined;
    }
  | { phase: 'Failed'; reason: string; message: string; permanent: boolean; finishedAt: Date | undefined };

/** What a conversion Job has come to. */
export function jobState(job: Job, pods: readonly Pod[]): JobState {
  return workerState<ConvertSuccess>(job, pods, ConvertResult, 'ConversionFailed');
}

/**
 * What a Job has come to, from the Job and the Pods that it made. A Job is done when it carries Complete or Failed, not
 * before: its controller may still be counting Pods.
 * @param schema of its worker's termination message.
 * @param unknown reason of a failure of which the worker left no word.
 */
export function workerState<Success extends { ok: true }>(
  job: Job,
  pods: readonly Pod[],
  schema: z.ZodType<Success | WorkerFailure>,
  unknown: string,
): JobState<Success> {
  const failed = (message: string, at: Date | undefined): JobState<Success> => ({
    phase: 'Failed',
    reason: unknown,
    message,
    permanent: false,
    finishedAt: at,
  });
  const newestFirst = pods.toSorted((a, b) => created(b).localeCompare(created(a)));
  const finished = job.status?.conditions?.find(
    (c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True',
  );
  if (finished === undefined) {
    return { phase: 'Running', pod: newestFirst.find((pod) => pod.status?.phase === 'Running') };
  }
  const finishedAt = date(finished.lastTransitionTime);
  const results = newestFirst.flatMap((pod) => terminationResult(pod, schema) ?? []);
  if (finished.type === 'Complete') {
    const success = results.find((result): result is Success => result.ok);
    return success !== undefined
      ? { phase: 'Succeeded', result: success, startedAt: date(job.status?.startTime), finishedAt }
      : failed(`Job ${job.metadata?.name} is complete, but no Pod of it left a result`, finishedAt);
  }
  const failure = results.find((result): result is WorkerFailure => !result.ok);
  if (failure !== undefined) {
    return {
      phase: 'Failed',
      reason: failure.reason,
      message: failure.message,
      permanent: failure.permanent,
      finishedAt,
    };
  }
  const container = newestFirst[0]?.status?.containerStatuses?.[0]?.state?.terminated;
  const detail =
    container === undefined
      ? ''
      : `; its last container ended with ${container.reason ?? 'exit'} (${container.exitCode})`;
  return failed(
    `Job ${job.metadata?.name} failed: ${finished.reason ?? ''} ${finished.message ?? ''}${detail}`,
    finishedAt,
  );
}

/** The newest progress line of a worker's log, if there is one yet. */
export function newestProgress(log: string): ProgressLine | undefined {
  for (const line of log.split('\n').toReversed()) {
    const parsed = ProgressLine.safeParse(parseJson(line)?.['progress']);
    if (parsed.success) {
      return parsed.data;
    }
  }
  return undefined;
}

function terminationResult<Result>(pod: Pod, schema: z.ZodType<Result>): Result | undefined {
  const message = pod.status?.containerStatuses?.[0]?.state?.terminated?.message;
  const parsed = message === undefined ? undefined : schema.safeParse(parseJson(message));
  return parsed?.success === true ? parsed.data : undefined;
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // A worker that was killed leaves half a line, or none.
    return undefined;
  }
}

function created(pod: Pod): string {
  return pod.metadata?.creationTimestamp ?? '';
}

function date(time: string | undefined): Date | undefined {
  return time === undefined ? undefined : new Date(time);
}
