import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { ownTag } from '../../converter/owntag.ts';
import { formatReference, parseReference } from '../../registry/reference.ts';

export type HistoryEntry = NonNullable<AcceleratedImageStatus['history']>[number];
type Artifact = NonNullable<AcceleratedImageStatus['artifact']>;

/** Most that a status remembers. What falls off stays in the registry. */
const ENTRIES_MAX = 64;
const TAGS_MAX = 64;

/** Tags that a worker has left behind for an artifact. */
export interface Tagged {
  /** Every tag that names the artifact now, `repository:tag`. */
  names: readonly string[];
  /** Those of them that were not there before. */
  made: readonly string[];
}

/**
 * The history with an artifact at its head, and with the tags that the object made for it. A tag that moved to it from an older
 * artifact goes with it: the older one has lost it.
 */
export function remember(
  history: readonly HistoryEntry[],
  artifact: Artifact,
  { names, made }: Tagged,
): HistoryEntry[] {
  const { digest, sourceDigest, convertedAt } = artifact;
  const owned = new Set(history.flatMap((entry) => entry.tags ?? []));
  const before = history.find((entry) => entry.digest === digest)?.tags ?? [];
  const tags = [...new Set([...before, ...made, ...names.filter((name) => owned.has(name))])].slice(0, TAGS_MAX);
  const others = history
    .filter((entry) => entry.digest !== digest)
    .map((entry) => withTags(entry, entry.tags?.filter((tag) => !names.includes(tag)) ?? []));
  const head = withTags({ image: ownImage(artifact), digest, sourceDigest, convertedAt }, tags);
  return [head, ...others].slice(0, ENTRIES_MAX);
}

/** The tags of an artifact in its own repository: the one that moves, and its own. */
export function tagsOf({ image, digest }: Artifact): string[] {
  const { registry, repository, tag = '' } = parseReference(image);
  return [tag, ownTag(tag, digest)].map((each) => formatReference({ registry, repository, tag: each }));
}

/**
 * The older artifacts that are too many and of which the object made tags, the newest first.
 * @param current digest of the artifact in use, which is none of them.
 * @param keep how many there may be beside the current one.
 */
export function tooMany(history: readonly HistoryEntry[], current: string, keep: number): HistoryEntry[] {
  return history.filter(({ digest }) => digest !== current).slice(keep);
}

/** An entry with these tags; without any it only tells of the past. */
export function withTags(entry: HistoryEntry, tags: readonly string[]): HistoryEntry {
  const { tags: _, ...rest } = entry;
  return tags.length === 0 ? rest : { ...rest, tags: [...tags] };
}

function ownImage({ image, digest }: Artifact): string {
  const { tag = '', ...place } = parseReference(image);
  return formatReference({ ...place, tag: ownTag(tag, digest), digest });
}
