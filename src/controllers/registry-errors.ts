import { AcceleratedImageReason as Reason } from '../api/v1alpha1/conditions.ts';
import { RegistryError } from '../registry/errors.ts';
import { ReconcileError, stalled, transient, waiting } from './reconcile-error.ts';

/** Credentials that were refused may be rotated at any time: looked at again no later than this. */
const CREDENTIALS_RETRY_MS = 60_000;
const DEFAULT_RATE_LIMIT_MS = 60_000;

/**
 * Says what an answer of a registry means for the object that asked: a 429 or a 401 is never "not found".
 * @param retryMs when to look again for what only a change in the registry can mend.
 */
export function fromRegistryError(error: unknown, retryMs: number): unknown {
  if (!(error instanceof RegistryError) || error instanceof ReconcileError) {
    return error;
  }
  switch (error.kind) {
    case 'NotFound':
      return waiting(Reason.SourceNotFound, error.message, retryMs, error);
    case 'Unauthorized':
      return waiting(Reason.CredentialsRejected, error.message, Math.min(retryMs, CREDENTIALS_RETRY_MS), error);
    case 'RateLimited':
      return waiting(Reason.RateLimited, error.message, error.retryAfter ?? DEFAULT_RATE_LIMIT_MS, error);
    case 'Unreachable':
      return transient(Reason.RegistryUnreachable, error.message, error);
    case 'DigestMismatch':
      return waiting(Reason.VerificationFailed, error.message, retryMs, error);
    case 'Refused':
      return stalled(Reason.InvalidSpec, error.message, error);
    case 'TooLarge':
    case 'Unsupported':
    case 'Invalid':
      return stalled(Reason.SourceNotAnImage, error.message, error);
  }
}
