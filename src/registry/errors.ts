/**
 * What a failed call means for whoever made it:
 * - `NotFound`: the registry says that it does not have the thing.
 * - `Unauthorized`: the registry or its token service refused the credentials, or wants some.
 * - `RateLimited`: answered 429; `retryAfter` says how long to wait, if the registry said.
 * - `Unreachable`: no answer, a broken one, or 5xx; worth trying again.
 * - `DigestMismatch`: the content is not what its digest or size promised.
 * - `TooLarge`: more bytes than a document of its kind may have.
 * - `Refused`: the address is none that a registry may have (link-local, or inside the cluster and not listed by an admin).
 * - `Unsupported`: the registry cannot do this, or answered in a way that is refused for safety.
 * - `Invalid`: the request or the answer breaks the specification.
 */
export type RegistryErrorKind =
  | 'NotFound'
  | 'Unauthorized'
  | 'RateLimited'
  | 'Unreachable'
  | 'DigestMismatch'
  | 'TooLarge'
  | 'Refused'
  | 'Unsupported'
  | 'Invalid';

export interface RegistryErrorDetails {
  /** HTTP status, where there was an answer. */
  status?: number | undefined;
  /** Error code of the OCI Distribution Specification, such as MANIFEST_UNKNOWN, where the registry gave one. */
  code?: string | undefined;
  /** Milliseconds to wait before trying again, as the registry asked. */
  retryAfter?: number | undefined;
  cause?: unknown;
}

/**
 * A call to a registry failed. The message says what happened, to what, and what to do; it never holds credentials,
 * tokens or the query of a URL, so it may go into a status or a log.
 */
export class RegistryError extends Error {
  override name = 'RegistryError';
  readonly kind: RegistryErrorKind;
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(
    kind: RegistryErrorKind,
    message: string,
    { status, code, retryAfter, cause }: RegistryErrorDetails = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Whether the same request may well succeed in a moment: the registry did not answer, and did not say when to come back. */
export function isTransient(error: unknown): boolean {
  return error instanceof RegistryError && error.kind === 'Unreachable' && error.retryAfter === undefined;
}
