import { isTag, parseReference } from '../registry/reference.ts';

/** That a tag was pushed, as somebody who need not be right says. It is a reason to ask the registry, and nothing else. */
export interface PushedTag {
  /** Host of the registry as the sender knows it, which need not be the one that images name. */
  readonly host: string | undefined;
  readonly repository: string;
  readonly tag: string;
  /** What the tag means now, as the sender says. Nothing is ever made of it. */
  readonly digest: string | undefined;
}

/** Tags of one notification that are looked at: distribution sends one, Harbor one for each tag of a push. */
export const MAX_PUSHED = 100;

/** Length of a host name (RFC 1035) and its port. */
export const MAX_HOST = 260;
/** Longest repository, as registry/reference.ts has it. */
export const MAX_REPOSITORY = 255;

/** A pushed tag of parts that were sent; undefined where they cannot be those of an image, or the push was one by digest. */
export function pushedTag(parts: {
  host?: string | undefined;
  repository: string;
  tag?: string | undefined;
  digest?: string | undefined;
}): PushedTag | undefined {
  const { host, repository, tag, digest } = parts;
  return tag !== undefined && isTag(tag) ? { host: host?.toLowerCase(), repository, tag, digest } : undefined;
}

/** The host of a reference that a sender made up, or undefined where it is none. */
export function hostOf(reference: string): string | undefined {
  try {
    return parseReference(reference).registry;
  } catch {
    return undefined;
  }
}
