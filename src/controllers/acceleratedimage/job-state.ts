import { z } from 'zod';
import { ConvertResult } from '../../converter/result.ts';
import type { Job, Pod } from '../../kube/resources.ts';

/** What is read of a worker's progress line; it stands under `progress` in its log. */
const ProgressLine = z.object({
  bytesDone: z.int().min(0),
  bytesTotal: z.int().min(0),
  percent: z.int().min(0).max(100),
});
export type ProgressLine = z.infer<typeof ProgressLine>;

export type JobState =
  | { phase: 'Running'; pod: Pod | undefined }
  | {
      phase: 'Succeeded';
      result: ConvertResult & { ok: true };
      startedAt: Date | undefined;
      finishedAt: Date | undefined;
    }
  | { phase: 'Failed'; reason: string; message: string; permanent: boolean; finishedAt: Date | undefined };

/**
 * What a conversion Job has come to, from the Job and the Pods that it made. A Job is done when it carries Complete or
 * Failed, not before: its controller may still be counting Pods.
 */
export function jobState(job: Job, pods: readonly Pod[]): JobState {
  const newestFirst = pods.toSorted((a, b) => created(b).localeCompare(created(a)));
  const finished = job.status?.conditions?.find(
    (c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True',
  );
  if (finished === undefined) {
    return { phase: 'Running', pod: newestFirst.find((pod) => pod.status?.phase === 'Running') };
  }
  const finishedAt = date(finished.lastTransitionTime);
  const results = newestFirst.flatMap((pod) => terminationResult(pod) ?? []);
  if (finished.type === 'Complete') {
    const success = results.find((result) => result.ok);
    return success?.ok === true
      ? { phase: 'Succeeded', result: success, startedAt: date(job.status?.startTime), finishedAt }
      : failed(`Job ${job.metadata?.name} is complete, but no Pod of it left a result`, finishedAt);
  }
  const failure = results.find((result) => !result.ok);
  if (failure?.ok === false) {
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

function failed(message: string, finishedAt: Date | undefined): JobState {
  return { phase: 'Failed', reason: 'ConversionFailed', message, permanent: false, finishedAt };
}

function terminationResult(pod: Pod): ConvertResult | undefined {
  const message = pod.status?.containerStatuses?.[0]?.state?.terminated?.message;
  const parsed = message === undefined ? undefined : ConvertResult.safeParse(parseJson(message));
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
