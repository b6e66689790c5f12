import type { AcceleratedImage } from '../api/v1alpha1/acceleratedimage.ts';
import { READY } from '../api/v1alpha1/conditions.ts';
import { formatReference, parseReference, type Reference } from '../registry/reference.ts';
import { durationMs } from '../api/v1alpha1/duration.ts';
import { nodePlatform } from './platforms.ts';

/** A verified artifact, as Pods are given it. */
export interface Artifact {
  /** `repository:tag@sha256:…`. */
  readonly image: string;
  /** What Pods name that run it already, see {@link digestKey}. */
  readonly key: string;
  readonly registry: string;
  readonly sourceDigest: string;
  readonly platforms: ReadonlySet<string>;
}

/** An AcceleratedImage with everything parsed that an admission asks of it. */
export interface Candidate {
  readonly namespace: string;
  readonly name: string;
  /** For a stable choice between objects that name the same image: the oldest goes first. */
  readonly createdAt: string;
  /** The image that it converts, as its spec says. */
  readonly source: string;
  /** What Pods have to name, see {@link tagKey} and {@link digestKey}. */
  readonly keys: readonly string[];
  readonly never: boolean;
  /** Why it is not ready; undefined when it is. */
  readonly notReady: string | undefined;
  readonly artifact: Artifact | undefined;
  /** What the source was last resolved to. */
  readonly sourceDigest: string | undefined;
  /** Milliseconds since the epoch after which the tag counts as stale; infinite for what cannot go stale. */
  readonly staleAfter: number;
  /** Secret of its namespace that can pull the artifact. */
  readonly pullSecret: string | undefined;
}

/** A tag may move as often as it likes within two intervals; beyond that, what it names is not known. */
const FRESH_INTERVALS = 2;

/** Key of an image by its tag. */
export function tagKey({ registry, repository, tag }: Reference): string {
  return `${registry}/${repository}:${tag ?? ''}`;
}

/** Key of an image by its digest; a tag beside a digest means nothing. */
export function digestKey({ registry, repository }: Reference, digest: string): string {
  return `${registry}/${repository}@${digest}`;
}

/** A reference, or undefined where the text is none. */
export function referenceOf(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/** The Secret that pulls the artifact from a registry which the original does not come from, in the namespace of the object. */
export function pullSecretFor({ artifact, pullSecret }: Candidate, original: Reference): string | undefined {
  return artifact !== undefined && artifact.registry !== original.registry ? pullSecret : undefined;
}

/** Parses an AcceleratedImage; undefined where its source is no image reference, so that no Pod can name it. */
export function candidateOf(image: AcceleratedImage): Candidate | undefined {
  const { metadata, spec } = image;
  const source = referenceOf(spec.source.image);
  if (source === undefined) {
    return undefined;
  }
  const status = statusFor(source, image);
  const artifact = artifactOf(status);
  const sourceDigest = source.digest ?? status?.source?.digest;
  const digests = new Set([sourceDigest, artifact?.sourceDigest].filter((digest) => digest !== undefined));
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    createdAt: metadata.creationTimestamp,
    source: spec.source.image,
    keys: [
      ...(source.digest === undefined ? [tagKey(source)] : []),
      ...[...digests].map((digest) => digestKey(source, digest)),
    ],
    never: spec.rewrite.policy === 'Never',
    notReady: notReadyBecause(image, artifact),
    artifact,
    sourceDigest,
    staleAfter: staleAfter(source, image),
    pullSecret: (spec.target.pushSecretRef ?? spec.source.pullSecretRef)?.name,
  };
}

/** The status, unless it is about an image that the spec named before. */
function statusFor(source: Reference, { status }: AcceleratedImage): AcceleratedImage['status'] {
  const resolved = status?.source === undefined ? undefined : referenceOf(status.source.image);
  return resolved !== undefined && formatReference(resolved) === formatReference(source) ? status : undefined;
}

function artifactOf(status: AcceleratedImage['status']): Artifact | undefined {
  const artifact = status?.artifact;
  const reference = artifact === undefined ? undefined : referenceOf(artifact.image);
  if (artifact === undefined || reference?.digest === undefined || reference.digest !== artifact.digest) {
    // Never hand out what is not pinned to the digest that was verified.
    return undefined;
  }
  return {
    image: artifact.image,
    key: digestKey(reference, reference.digest),
    registry: reference.registry,
    sourceDigest: artifact.sourceDigest,
    platforms: new Set(artifact.platforms.map(({ platform }) => nodePlatform(platform))),
  };
}

function notReadyBecause({ metadata, status }: AcceleratedImage, artifact: Artifact | undefined): string | undefined {
  if (metadata.deletionTimestamp !== undefined) {
    return 'it is being deleted';
  }
  const ready = status?.conditions?.find(({ type }) => type === READY);
  if (ready?.status !== 'True') {
    return ready === undefined ? 'it was not reconciled yet' : ready.reason;
  }
  return artifact === undefined ? 'it has no artifact of the image that its spec names now' : undefined;
}

/** A digest never goes stale, and `suspend` is a person's word that what is ready stays in use. */
function staleAfter(source: Reference, { spec, status }: AcceleratedImage): number {
  if (source.digest !== undefined || spec.suspend) {
    return Infinity;
  }
  const resolvedAt = Date.parse(status?.source?.resolvedAt ?? '');
  const interval = durationMs(spec.source.interval);
  return Number.isNaN(resolvedAt) || interval === undefined ? -Infinity : resolvedAt + FRESH_INTERVALS * interval;
}
