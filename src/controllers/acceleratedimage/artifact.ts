import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import { formatSeconds } from '../../api/v1alpha1/duration.ts';
import type { ConvertSuccess } from '../../converter/result.ts';
import { RegistryError } from '../../registry/errors.ts';
import { parseDuration } from '../duration.ts';
import { ReconcileError } from '../reconcile-error.ts';
import { fromRegistryError } from '../registry-errors.ts';
import type { ConversionIdentity } from './identity.ts';
import type { JobState } from './job-state.ts';
import { CONTINUE, targetCredentials } from './pass.ts';
import type { Dependencies, Pass, StepResult } from './pass.ts';
import { deleteJob } from './conversion-job.ts';
import { signAndRemember } from './signed-tags.ts';
import { verifyArtifact } from './verify.ts';

/** Zero would be never. */
const AT_ONCE_MS = 1;

/** A verified artifact may be deleted from the registry behind our back: looked at as often as the source. */
export async function checkPresence(pass: Pass, deps: Dependencies): Promise<StepResult> {
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
      delete status.inspection;
      delete status.conversion;
      return {
        next: 'wait',
        afterMs: AT_ONCE_MS,
        reason: Reason.ArtifactMissing,
        message: `${artifact.image} has gone from the registry; it is converted again`,
      };
    }
    throw fromRegistryError(error, parseDuration(image.spec.source.interval));
  }
}

export async function acceptResult(
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
  const artifact = {
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
  await signAndRemember(artifact, result.made ?? [], identity.optionsHash, pass, deps);
  status.inspection = result.inspection;
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
    ...deduplication(result.chunks),
  };
  return CONTINUE;
}

/** What the status says of chunks that were there already. */
function deduplication({
  deduplicated,
  bytesDeduplicated,
  bytesNew,
}: ConvertSuccess['chunks']): Partial<NonNullable<AcceleratedImageStatus['conversion']>> {
  const bytes = bytesDeduplicated + bytesNew;
  return {
    chunks: { deduplicated },
    bytesDeduplicated,
    ...(bytes === 0 ? {} : { dedupRatio: (bytesDeduplicated / bytes).toFixed(3) }),
  };
}

/** What is missing after a conversion is a verification that failed, whatever the registry calls it. */
function stalledOrSame(error: ReconcileError): ReconcileError {
  return error.reason === Reason.SourceNotFound
    ? new ReconcileError('transient', Reason.VerificationFailed, error.message, { cause: error })
    : error;
}
