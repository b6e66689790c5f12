const TAG_MAX = 128;
const DIGITS = 12;

/**
 * The tag of an artifact's own, such as `1.4-nydus-0123456789ab`: made of the tag that moves and the head of the artifact's
 * digest. It never moves, so that the artifact stays in the registry when the other tag names a newer one.
 */
export function ownTag(tag: string, digest: string): string {
  const suffix = `-${digest.replace(/^sha256:/, '').slice(0, DIGITS)}`;
  return `${tag.slice(0, TAG_MAX - suffix.length)}${suffix}`;
}
