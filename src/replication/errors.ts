import { ConvertError } from '../converter/errors.ts';
import { RegistryError, type RegistryErrorKind } from '../registry/errors.ts';
import { InvalidReferenceError } from '../registry/reference.ts';
import type { Role } from './options.ts';
import { ReplicateFailureReason, type ReplicateFailure } from './result.ts';

/** A copy cannot go on. The message may go into a status: it holds no secrets. */
export class ReplicateError extends Error {
  override name = 'ReplicateError';
  readonly reason: ReplicateFailureReason;
  /** Whether the same request fails again until somebody acts. */
  readonly permanent: boolean;

  constructor(reason: ReplicateFailureReason, message: string, permanent: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.permanent = permanent;
  }
}

const REASONS: Readonly<Record<RegistryErrorKind, { reason: ReplicateFailureReason; permanent: boolean }>> = {
  NotFound: { reason: 'ReplicationFailed', permanent: true },
  Unauthorized: { reason: 'CredentialsRejected', permanent: true },
  RateLimited: { reason: 'RateLimited', permanent: false },
  Unreachable: { reason: 'RegistryUnreachable', permanent: false },
  DigestMismatch: { reason: 'VerificationFailed', permanent: true },
  TooLarge: { reason: 'ReplicationFailed', permanent: true },
  Refused: { reason: 'InvalidSpec', permanent: true },
  Unsupported: { reason: 'ReplicationFailed', permanent: true },
  Invalid: { reason: 'ReplicationFailed', permanent: true },
};

/** What a registry may say of an upload that it does not know any more. */
const LOST: readonly RegistryErrorKind[] = ['NotFound', 'Invalid'];

/** What is not there where it is read from. */
const MISSING: Readonly<Record<Role, ReplicateFailureReason>> = {
  artifact: 'ArtifactMissing',
  source: 'SourceNotFound',
};

/**
 * Runs a call to a registry and says of its error what it means for the copy; other errors come as they are.
 * @param reading what is read, or undefined for a call to the registry that the copy goes to.
 */
export async function explained<T>(doing: string, reading: Role | undefined, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof RegistryError)) {
      throw error;
    }
    const { reason, permanent } = REASONS[error.kind];
    if (reading === undefined) {
      // Where the copy goes, an upload may have been lost, as by a registry that started again: the next one may do.
      throw new ReplicateError(reason, `${doing}: ${error.message}`, permanent && !LOST.includes(error.kind), error);
    }
    const missing = error.kind === 'NotFound' ? MISSING[reading] : reason;
    throw new ReplicateError(missing, `${doing}: ${error.message}`, permanent, error);
  }
}

/** Whether the very same step is worth trying again at once: the network broke, or an upload was lost. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof ReplicateError &&
    !error.permanent &&
    (error.reason === 'RegistryUnreachable' || error.reason === 'ReplicationFailed')
  );
}

/** The failure that an error amounts to. An error of no known kind is one of ours or of the machine, and may pass. */
export function failureOf(error: unknown): ReplicateFailure {
  if (error instanceof ReplicateError) {
    return { ok: false, reason: error.reason, message: error.message, permanent: error.permanent };
  }
  if (error instanceof ConvertError) {
    const reason = ReplicateFailureReason.safeParse(error.reason).data ?? 'ReplicationFailed';
    return { ok: false, reason, message: error.message, permanent: error.permanent };
  }
  if (error instanceof InvalidReferenceError) {
    return { ok: false, reason: 'InvalidSpec', message: error.message, permanent: true };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { ok: false, reason: 'ReplicationFailed', message, permanent: false };
}
