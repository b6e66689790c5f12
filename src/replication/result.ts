import { z } from 'zod';

const Count = z.int().min(0);

/** Why a copy failed; the names are those of an AcceleratedImage's reasons. */
export const ReplicateFailureReason = z.enum([
  'InvalidSpec',
  'ArtifactMissing',
  'SourceNotFound',
  'CredentialsMissing',
  'CredentialsRejected',
  'RateLimited',
  'RegistryUnreachable',
  'ReplicationFailed',
  'VerificationFailed',
]);
export type ReplicateFailureReason = z.infer<typeof ReplicateFailureReason>;

export const ReplicateSuccess = z.object({
  ok: z.literal(true),
  /** The copies, `repository:tag@digest`, in the order of the request. */
  images: z.array(z.string()),
  /** Tags that were not there before, `repository:tag`. */
  made: z.array(z.string()).max(8).optional(),
  /** Distinct blobs by what became of them: sent, mounted from another repository, or there already. */
  blobs: z.object({ sent: Count, mounted: Count, there: Count }),
  /** Bytes of the blobs that were sent. */
  bytesSent: Count,
  /** Milliseconds. */
  took: z.number().min(0),
});
export type ReplicateSuccess = z.infer<typeof ReplicateSuccess>;

export const ReplicateFailure = z.object({
  ok: z.literal(false),
  reason: ReplicateFailureReason,
  /** What happened, to what, and what to do. */
  message: z.string(),
  /** True: the same request fails again until somebody acts. False: worth another attempt. */
  permanent: z.boolean(),
});
export type ReplicateFailure = z.infer<typeof ReplicateFailure>;

/** How a copy ended; what the Job's termination message holds. */
export const ReplicateResult = z.discriminatedUnion('ok', [ReplicateSuccess, ReplicateFailure]);
export type ReplicateResult = z.infer<typeof ReplicateResult>;
