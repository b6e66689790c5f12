import { InvalidReferenceError } from '../registry/reference.ts';
import { RegistryError, type RegistryErrorKind } from '../registry/errors.ts';
import type { ConvertFailure, FailureReason } from './result.ts';

/** A conversion cannot go on. The message may go into a status: it holds no secrets. */
export class ConvertError extends Error {
  override name = 'ConvertError';
  readonly reason: FailureReason;
  /** Whether the same request fails again until somebody acts. */
  readonly permanent: boolean;

  constructor(reason: FailureReason, message: string, { permanent = true, cause }: ConvertErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.permanent = permanent;
  }
}

export interface ConvertErrorDetails {
  permanent?: boolean;
  cause?: unknown;
}

/** Which registry a call went to: a 404 means another thing for what is read than for where something is pushed. */
export type Side = 'source' | 'target';

const SOURCE_REASONS: Record<RegistryErrorKind, { reason: FailureReason; permanent: boolean }> = {
  NotFound: { reason: 'SourceNotFound', permanent: true },
  Unauthorized: { reason: 'CredentialsRejected', permanent: true },
  RateLimited: { reason: 'RateLimited', permanent: false },
  Unreachable: { reason: 'RegistryUnreachable', permanent: false },
  DigestMismatch: { reason: 'ConversionFailed', permanent: true },
  TooLarge: { reason: 'ConversionFailed', permanent: true },
  Refused: { reason: 'InvalidSpec', permanent: true },
  Unsupported: { reason: 'ConversionFailed', permanent: true },
  Invalid: { reason: 'ConversionFailed', permanent: true },
};

/**
 * What an error of a registry means for the conversion. Other errors come back as they are.
 * @param doing what was being done to what, for the message: `read layer 2 (sha256:…) of registry/repo:tag`.
 */
export function explain(error: unknown, side: Side, doing: string): unknown {
  if (!(error instanceof RegistryError)) {
    return error;
  }
  const meaning = SOURCE_REASONS[error.kind];
  const reason = side === 'target' && error.kind === 'NotFound' ? 'ConversionFailed' : meaning.reason;
  return new ConvertError(reason, `${doing}: ${error.message}`, { permanent: meaning.permanent, cause: error });
}

/** Runs a call to a registry and explains what it throws, as {@link explain} does. */
export async function explained<T>(side: Side, doing: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw explain(error, side, doing);
  }
}

/** Whether the very same step is worth trying again at once: the network broke. */
export function isPassing(error: unknown): boolean {
  return error instanceof ConvertError && error.reason === 'RegistryUnreachable';
}

/** Whether there was no room for a file (ENOSPC, or EDQUOT of a quota), for this process or for nydus-image. */
export function isDiskFull(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause ? cause.code : undefined;
    if (code === 'ENOSPC' || code === 'EDQUOT' || /No space left on device|Disk quota exceeded/.test(cause.message)) {
      return true;
    }
  }
  return false;
}

/** The failure that an error amounts to. An error of no known kind is one of ours or of the machine, and may pass. */
export function failureOf(error: unknown): ConvertFailure {
  if (error instanceof ConvertError) {
    return { ok: false, reason: error.reason, message: error.message, permanent: error.permanent };
  }
  if (error instanceof InvalidReferenceError) {
    return { ok: false, reason: 'InvalidSpec', message: error.message, permanent: true };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { ok: false, reason: 'ConversionFailed', message, permanent: false };
}
