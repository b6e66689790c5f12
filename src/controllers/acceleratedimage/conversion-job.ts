import type { AcceleratedImageSpec } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import { formatSeconds } from '../../api/v1alpha1/duration.ts';
import type { Config } from '../../config.ts';
import type { Manifest } from '../../kube/client.ts';
import { isAlreadyExists, isNotFound } from '../../kube/errors.ts';
import { jobs } from '../../kube/resources.ts';
import type { Job, Pod } from '../../kube/resources.ts';
import type { ConvertRequest } from '../../converter/options.ts';
import { formatReference } from '../../registry/reference.ts';
import { parseDuration } from '../duration.ts';
import { ReconcileError, stalled } from '../reconcile-error.ts';
import { isConversion, placeInQueue } from './admission-queue.ts';
import type { ConversionIdentity } from './identity.ts';
import { newestProgress } from './job-state.ts';
import type { JobState, ProgressLine } from './job-state.ts';
import { buildJob } from './job.ts';
import type { Dependencies, Pass, StepResult } from './pass.ts';

const PROGRESS_INTERVAL_MS = 2000;

export const QUEUE_INTERVAL_MS = 5000;

/** Failures that a change of a Secret mends, of which nobody tells the operator: a new Job mounts it as it is then. */
const SECRET_REASONS: readonly string[] = [Reason.CredentialsRejected, Reason.CredentialsMissing];
const SECRET_RETRY_MS = 300_000;

const LOG_TAIL = { tailLines: 20, limitBytes: 64 * 1024 };

export async function startJob(pass: Pass, deps: Dependencies, identity: ConversionIdentity): Promise<StepResult> {
  const { image, status, source, target, dictionary } = pass;
  const conversions = [...deps.jobs.list(), ...deps.started.list()].filter(isConversion);
  const place = placeInQueue(image, conversions, deps.images.list(), deps.config.conversion);
  if (!place.free) {
    status.conversion = { hash: identity.hash, phase: 'Queued', queuePosition: place.position };
    return {
      next: 'wait',
      afterMs: QUEUE_INTERVAL_MS,
      reason: Reason.Queued,
      message: `${place.position - 1} conversions come first`,
    };
  }
  const job = buildJob(
    {
      image,
      name: identity.jobName,
      hash: identity.hash,
      registry: source.registry,
      convert: {
        source: formatReference({ ...source, digest: status.source?.digest ?? '' }),
        target: formatReference(target),
        platforms: status.source?.platforms?.map((p) => p.platform) ?? [],
        format: image.spec.conversion.format,
        compressor: image.spec.conversion.compressor,
        chunkDictionary: dictionaryOf(image.spec.conversion),
        prefetchPaths: image.spec.conversion.prefetchPaths ?? [],
        optionsHash: identity.optionsHash,
        refusedNetworks: deps.config.refusedNetworks,
        registries: registryOptions(deps.config, [
          source.registry,
          target.registry,
          ...(dictionary === undefined ? [] : [dictionary.registry]),
        ]),
        reuse: status.artifact === undefined ? [] : [status.artifact.image],
      },
    },
    deps.config,
  );
  await createJob(pass, deps, job);
  status.conversion = {
    hash: identity.hash,
    job: identity.jobName,
    phase: 'Running',
    startedAt: deps.clock.now().toISOString(),
  };
  return {
    next: 'wait',
    afterMs: PROGRESS_INTERVAL_MS,
    reason: Reason.Converting,
    message: `Job ${identity.jobName} was created`,
  };
}

/** Creates a Job, unless it is there already: its name says all that it does. It counts as running from this call on. */
export async function createJob(
  { signal }: Pass,
  { client, started }: Dependencies,
  job: Manifest<Job>,
): Promise<void> {
  const counted = { metadata: job.metadata } as Job;
  started.add(counted);
  await client.create(jobs, job, signal).catch((error: unknown) => {
    if (!isAlreadyExists(error)) {
      started.remove(counted);
      throw error;
    }
  });
}

export async function followProgress(
  pass: Pass,
  deps: Dependencies,
  identity: ConversionIdentity,
  pod: Pod | undefined,
): Promise<StepResult> {
  const { status } = pass;
  const progress = (await readProgress(pass, deps, 'convert', pod)) ?? status.conversion?.progress;
  status.conversion = {
    hash: identity.hash,
    job: identity.jobName,
    phase: 'Running',
    startedAt: status.conversion?.startedAt ?? deps.clock.now().toISOString(),
    ...(progress === undefined
      ? {}
      : { progress: { percent: progress.percent, bytesDone: progress.bytesDone, bytesTotal: progress.bytesTotal } }),
  };
  const message =
    progress === undefined ? `Job ${identity.jobName} is starting` : `Job ${identity.jobName}: ${progress.percent}%`;
  return { next: 'wait', afterMs: PROGRESS_INTERVAL_MS, reason: Reason.Converting, message };
}

/** What the running Pod of a Job last said of its progress; undefined where it said nothing yet, or cannot be read. */
export async function readProgress(
  { image, log, signal }: Pass,
  deps: Dependencies,
  container: string,
  pod: Pod | undefined,
): Promise<ProgressLine | undefined> {
  if (pod === undefined) {
    return undefined;
  }
  const ref = { namespace: image.metadata.namespace, name: pod.metadata.name };
  const text = await deps.client.podLogs(ref, { container, ...LOG_TAIL }, signal).catch((error: unknown) => {
    log.debug({ err: error, pod: ref.name }, 'the progress of a Job could not be read');
    return '';
  });
  return newestProgress(text);
}

/** What only a person can mend stalls; anything else is tried again with a new Job once the interval has passed. */
export async function giveUpOrRetry(
  pass: Pass,
  deps: Dependencies,
  identity: ConversionIdentity,
  failure: JobState & { phase: 'Failed' },
): Promise<StepResult> {
  const { status, image, signal } = pass;
  status.conversion = {
    hash: identity.hash,
    job: identity.jobName,
    phase: 'Failed',
    message: failure.message.slice(0, 1024),
  };
  const isAboutSecret = SECRET_REASONS.includes(failure.reason);
  if (failure.permanent && !isAboutSecret) {
    throw stalled(failure.reason, failure.message);
  }
  const interval = Math.min(
    parseDuration(image.spec.source.interval),
    isAboutSecret ? SECRET_RETRY_MS : Number.POSITIVE_INFINITY,
  );
  const dueIn = (failure.finishedAt?.getTime() ?? 0) + interval - deps.clock.now().getTime();
  if (dueIn > 0) {
    throw new ReconcileError('waiting', failure.reason, `${failure.message}; tried again in ${formatSeconds(dueIn)}`, {
      afterMs: dueIn,
    });
  }
  await deleteJob(pass, deps, identity, signal);
  return {
    next: 'wait',
    afterMs: PROGRESS_INTERVAL_MS,
    reason: Reason.Converting,
    message: `trying again after: ${failure.message}`,
  };
}

export async function deleteJob(
  pass: Pass,
  deps: Dependencies,
  identity: ConversionIdentity,
  signal: AbortSignal,
): Promise<void> {
  const ref = { namespace: pass.image.metadata.namespace, name: identity.jobName };
  await deps.client.delete(jobs, ref, { propagationPolicy: 'Background' }, signal).catch((error: unknown) => {
    if (!isNotFound(error)) {
      throw error;
    }
  });
}

/** The chunk dictionary as the worker is told of it; the API server has seen to it that there is one of the two. */
function dictionaryOf({ chunkDictionary }: AcceleratedImageSpec['conversion']): ConvertRequest['chunkDictionary'] {
  const { image, from } = chunkDictionary ?? {};
  return image === undefined ? from && { from } : { image };
}

/** How a worker is to speak to these hosts, as far as the configuration says. */
export function registryOptions(
  config: Config,
  hosts: readonly string[],
): Record<string, { plainHTTP?: boolean; ca?: string }> {
  const used = config.registries.filter((registry) => hosts.includes(registry.host));
  return Object.fromEntries(
    used.map(({ host, plainHTTP, ca }) => [host, { plainHTTP, ...(ca === undefined ? {} : { ca }) }]),
  );
}
