import { NAMED_SEEDS } from '../../api/v1alpha1/prefetchpolicy.ts';
import type { WarmImage, WarmSeed } from '../../api/v1alpha1/prefetchpolicy.ts';
import { wantedBytes } from '../../dragonfly/pieces.ts';
import type { BlobState } from '../../dragonfly/provider.ts';
import type { PlannedImage } from '../../warming/plan.ts';
import type { ReconcileError } from '../reconcile-error.ts';

/**
 * What verification found of one image. A blob is warm when every seed peer that is to have it has all of it; an image is
 * Warm when all its blobs are.
 */
export function warmth(planned: PlannedImage, states: readonly BlobState[], now: Date): WarmImage {
  const total = planned.warm.blobs.length;
  const cold = states.filter((state) => !state.warm);
  const warmDigests = planned.warm.blobs.filter(
    ({ digest }) => states.some((state) => state.digest === digest) && !cold.some((state) => state.digest === digest),
  );
  const isWarm = warmDigests.length === total;
  const worst = cold[0];
  return {
    image: planned.image,
    digest: planned.digest,
    platform: planned.platform,
    state: isWarm ? 'Warm' : 'NotWarm',
    blobs: { total, warm: warmDigests.length },
    bytes: planned.bytes,
    seeds: seedsOf(planned, states),
    ...(isWarm ? { verifiedAt: now.toISOString() } : {}),
    ...(worst?.reason === undefined ? {} : { reason: worst.reason }),
    ...(worst?.message === undefined ? {} : { message: worst.message.slice(0, 1024) }),
  };
}

function seedsOf({ warm }: PlannedImage, states: readonly BlobState[]): WarmSeed[] {
  const sizes = new Map(warm.blobs.map((blob) => [blob.digest, wantedBytes(blob)]));
  const bySeed = Map.groupBy(states, ({ seed }) => seed);
  const seeds = [...bySeed].map(([name, own]): WarmSeed => {
    const there = own.filter((state) => state.warm);
    const reason = own.find((state) => !state.warm)?.reason;
    return {
      name,
      blobs: there.length,
      bytes: there.reduce((sum, { digest }) => sum + (sizes.get(digest) ?? 0), 0),
      ...(reason === undefined ? {} : { reason }),
    };
  });
  const lacking = seeds.filter(({ reason }) => reason !== undefined);
  return [...lacking, ...seeds.filter(({ reason }) => reason === undefined)].slice(0, NAMED_SEEDS);
}

/**
 * Bytes of images that every seed peer has, as was read back; of images that are spread, an average over their copies.
 * @param seedReplicas on how many seed peers each blob is to be
 */
export function bytesThere(images: readonly Pick<WarmImage, 'seeds'>[], seedReplicas = Infinity): number {
  return images.reduce((sum, { seeds = [] }) => {
    const bytes = seeds.map((seed) => seed.bytes);
    const spread = seedReplicas < bytes.length;
    const there = spread ? bytes.reduce((all, own) => all + own, 0) / seedReplicas : Math.min(...bytes);
    return sum + (bytes.length === 0 ? 0 : Math.floor(there));
  }, 0);
}

/** An image that could not be warmed. */
export function failed(planned: PlannedImage, { reason, message }: ReconcileError): WarmImage {
  return { ...unverified(planned, 'NotWarm'), reason, message: message.slice(0, 1024) };
}

/** An image before anything is known of its warmth. */
export function unverified(planned: PlannedImage, state: 'Pending' | 'Warming' | 'NotWarm'): WarmImage {
  return {
    image: planned.image,
    digest: planned.digest,
    platform: planned.platform,
    state,
    blobs: { total: planned.warm.blobs.length, warm: 0 },
    bytes: planned.bytes,
  };
}

/**
 * Whether these images were verified warm less than `maxAgeMs` ago, on all their platforms. A tag is taken for what it was
 * then.
 * @param references as new Pods name them
 */
export function isStillWarm(
  images: readonly WarmImage[] | undefined,
  references: readonly string[],
  maxAgeMs: number,
  now: Date,
): boolean {
  return references.every((reference) => {
    const known = images?.filter(({ image }) => image === reference) ?? [];
    return (
      known.length > 0 &&
      known.every(
        ({ state, verifiedAt }) =>
          state === 'Warm' && verifiedAt !== undefined && now.getTime() - new Date(verifiedAt).getTime() < maxAgeMs,
      )
    );
  });
}
