import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import type { Clock } from '../../runtime/clock.ts';
import { parseDuration } from '../duration.ts';
import { nodePlatforms } from '../../rewriting/platforms.ts';
import { fromRegistryError } from '../registry-errors.ts';
import { isNotified } from './notified.ts';
import { CONTINUE, credentialsFor } from './pass.ts';
import type { Dependencies, Pass, StepResult } from './pass.ts';
import { describeSource } from './source.ts';

/** Asks the registry what the source is now: when the interval has passed, the spec has changed, or it is said to have moved. */
export async function resolveSource(pass: Pass, deps: Dependencies): Promise<StepResult> {
  const { image, source, signal } = pass;
  if (isResolved(pass, deps.clock)) {
    return CONTINUE;
  }
  const interval = parseDuration(image.spec.source.interval);
  // What comes while the registry answers is another one, and the registry is asked again.
  const notifiedAt = image.status?.notification?.at;
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
      ...(notifiedAt === undefined ? {} : { notifiedAt }),
      ...(platforms === undefined ? {} : { platforms }),
    };
    return CONTINUE;
  } catch (error) {
    throw fromRegistryError(error, interval);
  }
}

function isResolved({ image, status, source }: Pass, clock: Clock): boolean {
  const resolved = status.source;
  if (resolved === undefined || resolved.platforms === undefined || specChanged(image) || isNotified(image)) {
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
