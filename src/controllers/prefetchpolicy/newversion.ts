import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { READY } from '../../api/v1alpha1/conditions.ts';
import type { PrefetchPolicy, PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import type { Sign } from '../../autoscaling/sign.ts';
import { parseReference } from '../../registry/reference.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { keyOf } from '../../runtime/object.ts';
import type { Key } from '../../runtime/object.ts';
import type { Change } from '../../runtime/store.ts';

/**
 * The artifacts that a rollout of a template's images may go to next: of each of their repositories the newest that an
 * AcceleratedImage of the same namespace has converted, whatever its tag.
 */
export function nextArtifacts(templateImages: readonly string[], images: readonly AcceleratedImage[]): string[] {
  const repositories = new Set(templateImages.flatMap(repositoryOf));
  const newest = new Map<string, NonNullable<AcceleratedImage['status']>['artifact']>();
  for (const { spec, status } of images) {
    const [repository] = repositoryOf(spec.source.image);
    const ready = findCondition(status?.conditions ?? [], READY)?.status === 'True';
    if (repository === undefined || !repositories.has(repository) || !ready || status?.artifact === undefined) {
      continue;
    }
    // Both in UTC, so that the text orders as the time does.
    if (status.artifact.convertedAt > (newest.get(repository)?.convertedAt ?? '')) {
      newest.set(repository, status.artifact);
    }
  }
  return [...newest.values()].flatMap((artifact) => (artifact === undefined ? [] : [artifact.image]));
}

/** A sign while an image that the next Pods would run was never warm. */
export function newVersionSign(
  images: readonly string[],
  status: PrefetchPolicyStatus,
  currentReplicas: number,
): Sign | undefined {
  const fresh = images.find((image) => !isKnown(image, status));
  return fresh === undefined
    ? undefined
    : {
        trigger: 'NewVersion',
        reason: 'NewArtifact',
        message: `${fresh} was not warmed yet`.slice(0, 1024),
        currentReplicas,
        expectedReplicas: currentReplicas,
      };
}

/** An image is new until it was warm once; what was evicted later waits for the next sign. */
function isKnown(image: string, { images, decision }: PrefetchPolicyStatus): boolean {
  const known = images?.filter((each) => each.image === image) ?? [];
  return known.length > 0 && (!isBeingPrepared({ decision }) || known.every(({ state }) => state === 'Warm'));
}

/** Whether a new version is being warmed and was not verified yet. */
export function isBeingPrepared({ decision }: Pick<PrefetchPolicyStatus, 'decision'>): boolean {
  return decision?.trigger === 'NewVersion' && decision.outcome === undefined;
}

/** The policies that a new artifact may concern, by the repositories of what they warmed before. */
export function keysForArtifact(
  change: Change<AcceleratedImage>,
  policies: readonly PrefetchPolicy[],
  operatorNamespace: string,
): Key[] {
  const { metadata, spec, status } = change.object;
  const before = change.type === 'updated' ? change.old.status?.artifact?.digest : undefined;
  if (change.type === 'deleted' || status?.artifact === undefined || status.artifact.digest === before) {
    return [];
  }
  const repositories = new Set([spec.source.image, status.artifact.image].flatMap(repositoryOf));
  return policies
    .filter((policy) => policy.spec.triggers.newVersion)
    .filter((policy) => [policy.metadata.namespace, operatorNamespace].includes(metadata.namespace))
    .filter(
      ({ status: known }) =>
        known?.images === undefined ||
        known.images.flatMap(({ image }) => repositoryOf(image)).some((repository) => repositories.has(repository)),
    )
    .map((policy) => keyOf(policy));
}

/** Registry and repository of a reference; nothing for what is none. */
function repositoryOf(image: string): string[] {
  try {
    const { registry, repository } = parseReference(image);
    return [`${registry}/${repository}`];
  } catch {
    return [];
  }
}
