import { PrefetchPolicyReason as Reason } from '../../api/v1alpha1/conditions.ts';
import type { WarmImage } from '../../api/v1alpha1/prefetchpolicy.ts';
import { ProviderError } from '../../dragonfly/provider.ts';
import type { BlobReason, ProviderErrorKind } from '../../dragonfly/provider.ts';
import { waiting } from '../reconcile-error.ts';

/** How soon a warm that failed is tried again. */
export const RETRY_MS = 15_000;

const BY_KIND: Record<ProviderErrorKind, Reason> = {
  Unreachable: Reason.ProviderUnreachable,
  Rejected: Reason.ProviderRejected,
  Failed: Reason.WarmFailed,
  TimedOut: Reason.WarmFailed,
};

/** A provider's error with the reason for the status; any other error as it is. */
export function fromProviderError(error: unknown): Error {
  if (error instanceof ProviderError) {
    return waiting(error.reason ?? BY_KIND[error.kind], error.message, error.retryAfter ?? RETRY_MS, error);
  }
  return error instanceof Error ? error : new Error(String(error), { cause: error });
}

const OF_COLD: Record<BlobReason, Reason> = {
  Cold: Reason.WarmFailed,
  Evicted: Reason.Evicted,
  TaskIDMismatch: Reason.TaskIDMismatch,
  SeedUnreachable: Reason.SeedUnreachable,
  OriginRejected: Reason.OriginRejected,
  SeedDiskFull: Reason.SeedDiskFull,
};

/** The condition's reason for an image that is not warm. */
export function reasonOfCold({ reason = '' }: Pick<WarmImage, 'reason'>): Reason {
  return Object.hasOwn(OF_COLD, reason) ? OF_COLD[reason as BlobReason] : Reason.WarmFailed;
}

/** The condition's reason for an image that was warm and is not any more. */
export function reasonOfLost(image: Pick<WarmImage, 'reason'>): Reason {
  const reason = reasonOfCold(image);
  return reason === Reason.WarmFailed ? Reason.Evicted : reason;
}
