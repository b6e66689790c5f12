import type { AcceleratedImage } from '../api/v1alpha1/acceleratedimage.ts';
import { READY } from '../api/v1alpha1/conditions.ts';
import { formatReference, parseReference, type Reference } from '../registry/reference.ts';
import { durationMs } from '../api/v1alpha1/duration.ts';
import type { Landing } from './nodes.ts';
import { nodePlatform } from './platforms.ts';

/** A verified image, as Pods are given it: an artifact, or a region's copy of it. */
export interface Pullable {
  /** `repository:tag@sha256:…`. */
  readonly image: string;
  /** What Pods name that run it already, see {@link digestKey}. */
  readonly key: string;
  readonly registry: string;
  /** Secret of the namespace of its AcceleratedImage that can pull it. */
  readonly pullSecret: string | undefined;
}

/** A verified artifact. */
export interface Artifact extends Pullable {
  readonly sourceDigest: string;
  readonly platforms: ReadonlySet<string>;
}

/** The copy of an artifact for the Pods of one region. */
export interface Copy {
  readonly region: string;
  /** Verified, of the artifact that is current, and where the spec wants it. */
  readonly ready: boolean;
  /** What there is of it; it may be on its way yet, or of an older artifact. */
  readonly pullable: Pullable | undefined;
  /** Why it is not ready. */
  readonly because: string;
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
  /** By region, for those that the spec wants a copy in. */
  readonly copies: ReadonlyMap<string, Copy>;
  /** What the source was last resolved to. */
  readonly sourceDigest: string | undefined;
  /** Milliseconds since the epoch after which the tag counts as stale; infinite for what cannot go stale. */
  readonly staleAfter: number;
}

type Replica = NonNullable<NonNullable<AcceleratedImage['status']>['replicas']>[number];

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

/**
 * What a Pod gets: the copy of the region that it can only land in, where the AcceleratedImage wants one there, else the
 * artifact itself. Undefined while the one or the other is not there.
 */
export function pullableFor(candidate: Candidate, landing: () => Pick<Landing, 'region'>): Pullable | undefined {
  const copy = copyFor(candidate, landing);
  return copy === undefined ? candidate.artifact : copy.ready ? copy.pullable : undefined;
}

/** The copy that a Pod has to run, ready or not; undefined where it is to run the artifact itself. */
export function copyFor({ copies }: Candidate, landing: () => Pick<Landing, 'region'>): Copy | undefined {
  const region = copies.size === 0 ? undefined : landing().region;
  return region === undefined ? undefined : copies.get(region);
}

/** The Secret that pulls an image from a registry which the original does not come from, in the namespace of the object. */
export function pullSecretFor(pullable: Pullable | undefined, original: Reference): string | undefined {
  return pullable?.registry === original.registry ? undefined : pullable?.pullSecret;
}

/** Parses an AcceleratedImage; undefined where its source is no image reference, so that no Pod can name it. */
export function candidateOf(image: AcceleratedImage): Candidate | undefined {
  const { metadata, spec } = image;
  const source = referenceOf(spec.source.image);
  if (source === undefined) {
    return undefined;
  }
  const status = statusFor(source, image);
  const artifact = artifactOf(image, status);
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
    copies: copiesOf(image, status),
    sourceDigest,
    staleAfter: staleAfter(source, image),
  };
}

/** The status, unless it is about an image that the spec named before. */
function statusFor(source: Reference, { status }: AcceleratedImage): AcceleratedImage['status'] {
  const resolved = status?.source === undefined ? undefined : referenceOf(status.source.image);
  return resolved !== undefined && formatReference(resolved) === formatReference(source) ? status : undefined;
}

function artifactOf({ spec }: AcceleratedImage, status: AcceleratedImage['status']): Artifact | undefined {
  const artifact = status?.artifact;
  const pullable = artifact === undefined ? undefined : pullableOf(artifact, pullSecretOf(spec));
  if (artifact === undefined || pullable === undefined) {
    return undefined;
  }
  return {
    ...pullable,
    sourceDigest: artifact.sourceDigest,
    platforms: new Set(artifact.platforms.map(({ platform }) => nodePlatform(platform))),
  };
}

/** Undefined where it is not pinned to the digest that was verified: such is never handed out. */
function pullableOf(
  { image, digest }: { image: string; digest: string },
  pullSecret: string | undefined,
): Pullable | undefined {
  const reference = referenceOf(image);
  return reference?.digest === digest
    ? { image, key: digestKey(reference, digest), registry: reference.registry, pullSecret }
    : undefined;
}

function copiesOf({ spec }: AcceleratedImage, status: AcceleratedImage['status']): ReadonlyMap<string, Copy> {
  return new Map(
    (spec.replicas ?? []).map(({ region, repository, pushSecretRef }) => {
      const replica = status?.replicas?.find((each) => each.region === region);
      const pullable =
        replica === undefined ? undefined : pullableOf(replica, pushSecretRef?.name ?? pullSecretOf(spec));
      return [region, { region, pullable, ...stateOf(replica, pullable, repository, status?.artifact?.digest) }];
    }),
  );
}

function stateOf(
  replica: Replica | undefined,
  pullable: Pullable | undefined,
  repository: string,
  artifactDigest: string | undefined,
): Pick<Copy, 'ready' | 'because'> {
  if (replica === undefined || pullable === undefined || !isIn(repository, replica.image)) {
    return { ready: false, because: 'it is not begun' };
  }
  if (replica.digest !== artifactDigest) {
    return { ready: false, because: 'it is of an older artifact' };
  }
  const because = [replica.state, replica.reason].filter((text) => text !== undefined).join(', ');
  return { ready: replica.state === 'Ready', because };
}

/** Whether an image is of a repository: the status may be about one that the spec named before. */
function isIn(repository: string, image: string): boolean {
  const [wanted, actual] = [referenceOf(repository), referenceOf(image)];
  return wanted?.registry === actual?.registry && wanted?.repository === actual?.repository;
}

function pullSecretOf({ target, source }: AcceleratedImage['spec']): string | undefined {
  return (target.pushSecretRef ?? source.pullSecretRef)?.name;
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
