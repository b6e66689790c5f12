import type { Logger } from 'pino';
import type { AcceleratedImage, AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import { CONVERSION_LABEL } from '../../api/v1alpha1/labels.ts';
import type { Config } from '../../config.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isAlreadyExists, isNotFound } from '../../kube/errors.ts';
import { jobs } from '../../kube/resources.ts';
import type { Job, Node, Pod } from '../../kube/resources.ts';
import { RegistryError } from '../../registry/errors.ts';
import type { RegistryClient } from '../../registry/client.ts';
import { formatReference, InvalidReferenceError, parseReference } from '../../registry/reference.ts';
import type { Reference } from '../../registry/reference.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { ReadStore } from '../../runtime/store.ts';
import { resolveCredentials } from '../credentials.ts';
import { formatSeconds, parseDuration } from '../duration.ts';
import { nodePlatforms } from '../platforms.ts';
import { ReconcileError, stalled } from '../reconcile-error.ts';
import { fromRegistryError } from '../registry-errors.ts';
import { placeInQueue } from './admission-queue.ts';
import { identify, targetReference } from './identity.ts';
import type { ConversionIdentity } from './identity.ts';
import { buildJob } from './job.ts';
import { jobState, newestProgress } from './job-state.ts';
import type { JobState } from './job-state.ts';
import { describeSource } from './source.ts';
import { verifyArtifact } from './verify.ts';

const PROGRESS_INTERVAL_MS = 2000;
const QUEUE_INTERVAL_MS = 5000;
const LOG_TAIL = { tailLines: 20, limitBytes: 64 * 1024 };

export interface Dependencies {
  client: KubeClient;
  registry: RegistryClient;
  config: Config;
  operatorNamespace: string;
  clock: Clock;
  images: ReadStore<AcceleratedImage>;
  jobs: ReadStore<Job>;
  /** Pods of conversion Jobs only. */
  pods: ReadStore<Pod>;
  nodes: ReadStore<Node>;
}

/** One pass over one object: what is known of it so far, and the status being drafted. */
export interface Pass {
  image: AcceleratedImage;
  status: AcceleratedImageStatus;
  source: Reference;
  target: Reference;
  log: Logger;
  signal: AbortSignal;
}

export type StepResult = { next: 'continue' } | { next: 'wait'; afterMs: number; reason: Reason; message: string };

const CONTINUE: StepResult = { next: 'continue' };

/** The steps of a pass, in order; the first that waits or throws ends it. */
export const STEPS: readonly ((pass: Pass, deps: Dependencies) => Promise<StepResult>)[] = [
  resolveSource,
  reconcileArtifact,
];

/**
 * Drafts a pass from an object.
 * @throws ReconcileError InvalidSpec for references that are none.
 */
export function startPass(image: AcceleratedImage, log: Logger, signal: AbortSignal): Pass {
  try {
    return {
      image,
      status: structuredClone(image.status ?? {}),
      source: parseReference(image.spec.source.image),
      target: targetReference(image.spec),
      log,
      signal,
    };
  } catch (error) {
    if (error instanceof InvalidReferenceError) {
      throw stalled(Reason.InvalidSpec, error.message, error);
    }
    throw error;
  }
}

/** Asks the registry what the source is now, when the interval has passed or the spec has changed. */
async function resolveSource(pass: Pass, deps: Dependencies): Promise<StepResult> {
  const { image, source, signal } = pass;
  if (isResolved(pass, deps.clock)) {
    return CONTINUE;
  }
  const interval = parseDuration(image.spec.source.interval);
  try {
    const credentials = await credentialsFor(pass, deps, source, image.spec.source.pullSecretRef?.name);
    const { digest } = await deps.registry.resolve(source, { credentials, signal });
    const before = pass.status.source;
    const known = before?.digest === digest && before.platforms !== undefined && !specChanged(image);
    const platforms = known
      ? before.platforms
      : await describeSource(deps.registry, digest, {
          reference: source,
          wanted: image.spec.conversion.platforms,
          nodePlatforms: nodePlatforms(deps.nodes.list()),
          credentials,
          signal,
        });
    pass.status.source = {
      image: image.spec.source.image,
      digest,
      resolvedAt: deps.clock.now().toISOString(),
      ...(platforms === undefined ? {} : { platforms }),
    };
    return CONTINUE;
  } catch (error) {
    throw fromRegistryError(error, interval);
  }
}

/** Brings the artifact into being: adopt what is verified, else queue, run the Job, read its result, verify. */
async function reconcileArtifact(pass: Pass, deps: Dependencies): Promise<StepResult> {
  const { status, image } = pass;
  const source = status.source;
  if (source?.platforms === undefined) {
    return {
      next: 'wait',
      afterMs: QUEUE_INTERVAL_MS,
      reason: Reason.Resolving,
      message: `${image.spec.source.image} is being resolved`,
    };
  }
  const identity = identify(
    source.digest,
    {
      format: image.spec.conversion.format,
      compressor: image.spec.conversion.compressor,
      prefetchPaths: image.spec.conversion.prefetchPaths ?? [],
      platforms: source.platforms.map((p) => p.platform),
    },
    pass.target,
  );
  if (
    status.conversion?.hash === identity.hash &&
    status.conversion.phase === 'Succeeded' &&
    status.artifact !== undefined
  ) {
    return await checkPresence(pass, deps);
  }
  if (status.conversion?.hash !== identity.hash) {
    status.conversion = { hash: identity.hash, phase: 'Queued' };
  }
  const job = deps.jobs.get(`${image.metadata.namespace}/${identity.jobName}`);
  if (job === undefined) {
    return await startJob(pass, deps, identity);
  }
  const conversion = job.metadata?.labels?.[CONVERSION_LABEL];
  const ownPods = deps.pods
    .listNamespace(image.metadata.namespace)
    .filter((pod) => pod.metadata?.labels?.[CONVERSION_LABEL] === conversion);
  const state = jobState(job, ownPods);
  switch (state.phase) {
    case 'Running':
      return await followProgress(pass, deps, identity, state.pod);
    case 'Failed':
      return await giveUpOrRetry(pass, deps, identity, state);
    case 'Succeeded':
      return await acceptResult(pass, deps, identity, state);
  }
}

/** A verified artifact may be deleted from the registry behind our back: looked at as often as the source. */
async function checkPresence(pass: Pass, deps: Dependencies): Promise<StepResult> {
  const { status, image, target, signal } = pass;
  const artifact = status.artifact;
  if (artifact === undefined || status.source?.resolvedAt === image.status?.source?.resolvedAt) {
    return CONTINUE;
  }
  try {
    const credentials = await targetCredentials(pass, deps);
    await deps.registry.resolve(
      { registry: target.registry, repository: target.repository, digest: artifact.digest },
      { credentials, signal },
    );
    return CONTINUE;
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'NotFound') {
      delete status.artifact;
      delete status.conversion;
      return {
        next: 'wait',
        afterMs: 0,
        reason: Reason.ArtifactMissing,
        message: `${artifact.image} has gone from the registry; it is converted again`,
      };
    }
    throw fromRegistryError(error, parseDuration(image.spec.source.interval));
  }
}

async function startJob(pass: Pass, deps: Dependencies, identity: ConversionIdentity): Promise<StepResult> {
  const { image, status, source, target, signal } = pass;
  const place = placeInQueue(image, deps.jobs.list(), deps.images.list(), deps.config.conversion);
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
        prefetchPaths: image.spec.conversion.prefetchPaths ?? [],
        optionsHash: identity.optionsHash,
        registries: registryOptions(deps.config, [source.registry, target.registry]),
        reuse: status.artifact === undefined ? [] : [status.artifact.image],
      },
    },
    deps.config,
  );
  await deps.client.create(jobs, job, signal).catch((error: unknown) => {
    if (!isAlreadyExists(error)) {
      throw error;
    }
  });
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

async function followProgress(
  pass: Pass,
  deps: Dependencies,
  identity: ConversionIdentity,
  pod: Pod | undefined,
): Promise<StepResult> {
  const { status, signal, log } = pass;
  const ref = { namespace: pass.image.metadata.namespace, name: pod?.metadata?.name ?? '' };
  const text =
    pod === undefined
      ? ''
      : await deps.client.podLogs(ref, { container: 'convert', ...LOG_TAIL }, signal).catch((error: unknown) => {
          log.debug({ err: error, pod: ref.name }, 'the progress of a conversion could not be read');
          return '';
        });
  const progress = newestProgress(text) ?? status.conversion?.progress;
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

/** What only a person can mend stalls; anything else is tried again with a new Job once the interval has passed. */
async function giveUpOrRetry(
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
  if (failure.permanent) {
    throw stalled(failure.reason, failure.message);
  }
  const interval = parseDuration(image.spec.source.interval);
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

async function acceptResult(
  pass: Pass,
  deps: Dependencies,
  identity: ConversionIdentity,
  { result, startedAt, finishedAt }: JobState & { phase: 'Succeeded' },
): Promise<StepResult> {
  const { status, target, image, signal } = pass;
  const started = deps.clock.now().getTime();
  try {
    const credentials = await targetCredentials(pass, deps);
    await verifyArtifact(deps.registry, result, {
      target,
      optionsHash: identity.optionsHash,
      sources: new Map(status.source?.platforms?.map((p) => [p.platform, p.digest])),
      credentials,
      signal,
    });
  } catch (error) {
    const mapped = fromRegistryError(error, parseDuration(image.spec.source.interval));
    if (
      mapped instanceof ReconcileError &&
      (mapped.reason === Reason.VerificationFailed || mapped.reason === Reason.SourceNotFound)
    ) {
      await deleteJob(pass, deps, identity, signal);
      throw stalledOrSame(mapped);
    }
    throw mapped;
  }
  const now = deps.clock.now();
  const queuedMs =
    startedAt === undefined
      ? 0
      : Math.max(0, startedAt.getTime() - new Date(image.metadata.creationTimestamp).getTime());
  status.artifact = {
    image: result.image,
    digest: result.digest,
    sourceDigest: status.source?.digest ?? '',
    format: image.spec.conversion.format,
    builder: result.builder,
    convertedAt: (finishedAt ?? now).toISOString(),
    platforms: result.platforms.map(({ platform, digest, size, bootstrapSize }) => ({
      platform,
      digest,
      size,
      bootstrapSize,
    })),
  };
  status.conversion = {
    hash: identity.hash,
    job: identity.jobName,
    phase: 'Succeeded',
    ...(startedAt === undefined ? {} : { startedAt: startedAt.toISOString() }),
    progress: { percent: 100, bytesDone: result.bytesRead, bytesTotal: result.bytesRead },
    timings: {
      queue: formatSeconds(queuedMs),
      pull: formatSeconds(result.timings.pull),
      build: formatSeconds(result.timings.build),
      push: formatSeconds(result.timings.push),
      verify: formatSeconds(now.getTime() - started),
      total: formatSeconds(result.timings.total),
    },
    bytesRead: result.bytesRead,
    bytesPushed: result.bytesPushed,
    layers: result.layers,
  };
  return CONTINUE;
}

/** What is missing after a conversion is a verification that failed, whatever the registry calls it. */
function stalledOrSame(error: ReconcileError): ReconcileError {
  return error.reason === Reason.SourceNotFound
    ? new ReconcileError('transient', Reason.VerificationFailed, error.message, { cause: error })
    : error;
}

async function deleteJob(
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

async function targetCredentials(pass: Pass, deps: Dependencies): ReturnType<typeof resolveCredentials> {
  const { source, target } = pass.image.spec;
  return await credentialsFor(pass, deps, pass.target, target.pushSecretRef?.name ?? source.pullSecretRef?.name);
}

async function credentialsFor(
  { image, signal }: Pass,
  deps: Dependencies,
  reference: Reference,
  secretName: string | undefined,
): ReturnType<typeof resolveCredentials> {
  return await resolveCredentials({ namespace: image.metadata.namespace, secretName, reference }, deps, signal);
}

function isResolved({ image, status, source }: Pass, clock: Clock): boolean {
  const resolved = status.source;
  if (resolved === undefined || resolved.platforms === undefined || specChanged(image)) {
    return false;
  }
  const age = clock.now().getTime() - new Date(resolved.resolvedAt).getTime();
  // A digest never moves; what is looked at again is whether source and artifact are still there.
  const interval = parseDuration(image.spec.source.interval) * (source.digest === undefined ? 1 : 12);
  return age < interval;
}

function specChanged(image: AcceleratedImage): boolean {
  return (
    image.status?.observedGeneration !== image.metadata.generation &&
    image.status?.source?.image !== image.spec.source.image
  );
}

function registryOptions(
  config: Config,
  hosts: readonly string[],
): Record<string, { plainHTTP?: boolean; ca?: string }> {
  const used = config.registries.filter((registry) => hosts.includes(registry.host));
  return Object.fromEntries(
    used.map(({ host, plainHTTP, ca }) => [host, { plainHTTP, ...(ca === undefined ? {} : { ca }) }]),
  );
}
