import { z } from 'zod';
import { InspectionStatus } from '../api/v1alpha1/inspection.ts';
import { fitted } from '../inspection/summary.ts';

/** Bytes that Kubernetes keeps of a termination message, for all containers of a Pod together up to 12 KiB. */
export const TERMINATION_MESSAGE_LIMIT = 4096;

const Milliseconds = z.number().min(0);
const Count = z.int().min(0);

/** Why a conversion failed; the names are those of an AcceleratedImage's condition reasons. */
export const FailureReason = z.enum([
  'InvalidSpec',
  'SourceNotFound',
  'SourceNotAnImage',
  'PlatformMissing',
  'DictionaryUnusable',
  'CredentialsMissing',
  'CredentialsRejected',
  'RateLimited',
  'RegistryUnreachable',
  'ConversionFailed',
  'VerificationFailed',
]);
export type FailureReason = z.infer<typeof FailureReason>;

export const PlatformResult = z.object({
  /** As it was asked for. */
  platform: z.string(),
  /** Digest of the artifact's manifest for this platform. */
  digest: z.string(),
  /** Digest of the source's manifest for this platform. */
  sourceDigest: z.string(),
  /** Bytes of config and layers as stored in the registry. */
  size: Count,
  /** Bytes of the bootstrap layer, which is a part of `size`. */
  bootstrapSize: Count,
});
export type PlatformResult = z.infer<typeof PlatformResult>;

export const ConvertSuccess = z.object({
  ok: z.literal(true),
  /** Digest of the artifact: of its manifest, or of the index where there are several platforms. */
  digest: z.string(),
  /** `repository:tag@digest`. */
  image: z.string(),
  /** What the source's reference resolved to: a manifest or an index. */
  sourceDigest: z.string(),
  /** Tags of the target's repository that name the artifact, and were not there before. */
  made: z.array(z.string().max(128)).max(4).optional(),
  /** Version of nydus-image. */
  builder: z.string(),
  platforms: z.array(PlatformResult),
  /**
   * Milliseconds of the whole, and milliseconds in which at least one layer waited for source bytes (pull), was in
   * nydus-image (build), or waited for the target registry (push). The three overlap: they are not a sum.
   */
  timings: z.object({ pull: Milliseconds, build: Milliseconds, push: Milliseconds, total: Milliseconds }),
  /** Bytes of layers read from the source registry. */
  bytesRead: Count,
  /** Bytes of blobs and manifests sent to the target registry. */
  bytesPushed: Count,
  /** Distinct layers of the source, and those of them that an earlier artifact already held. */
  layers: z.object({ total: Count, reused: Count }),
  /**
   * Of the layers that were converted: chunks that were there already, in the dictionary or in the same layer, their bytes, and
   * the bytes of the chunks that were new; all before compression, as nydus-image counted them.
   */
  chunks: z.object({ deduplicated: Count, bytesDeduplicated: Count, bytesNew: Count }),
  /** What was found in the image, as much of it as there is room for. No conversion fails for it. */
  inspection: InspectionStatus.optional().catch(undefined),
});
export type ConvertSuccess = z.infer<typeof ConvertSuccess>;

export const ConvertFailure = z.object({
  ok: z.literal(false),
  reason: FailureReason,
  /** What happened, to what, and what to do. */
  message: z.string(),
  /** True: the same request fails again until somebody acts. False: worth another attempt. */
  permanent: z.boolean(),
});
export type ConvertFailure = z.infer<typeof ConvertFailure>;

/** How a conversion ended; what the Job's termination message holds. */
export const ConvertResult = z.discriminatedUnion('ok', [ConvertSuccess, ConvertFailure]);
export type ConvertResult = z.infer<typeof ConvertResult>;

/** How a worker's work ended. */
export type Reported = { ok: true; [field: string]: unknown } | { ok: false; message: string; permanent: boolean };

/** Exit code of the worker: 0 done, 1 failed and worth another attempt, 3 failed for good. */
export function exitCode(result: Reported): 0 | 1 | 3 {
  if (result.ok) {
    return 0;
  }
  return result.permanent ? 3 : 1;
}

/**
 * The result as JSON of at most {@link TERMINATION_MESSAGE_LIMIT} bytes: a failure's message is shortened to fit, and of what was
 * found in an image the last is left out.
 */
export function encodeResult(result: Reported): string {
  const text = JSON.stringify(result);
  if (Buffer.byteLength(text) <= TERMINATION_MESSAGE_LIMIT) {
    return text;
  }
  if (result.ok) {
    return encodeSuccess(result);
  }
  const characters = Array.from(result.message);
  let length = characters.length;
  const shortened = (): string => JSON.stringify({ ...result, message: `${characters.slice(0, length).join('')}…` });
  while (Buffer.byteLength(shortened()) > TERMINATION_MESSAGE_LIMIT) {
    length = Math.floor(length * 0.9);
  }
  return shortened();
}

function encodeSuccess({ inspection, ...result }: Reported & { ok: true }): string {
  const parsed = InspectionStatus.safeParse(inspection);
  const label = ',"inspection":'.length;
  const room = TERMINATION_MESSAGE_LIMIT - Buffer.byteLength(JSON.stringify(result)) - label;
  const shorter = parsed.success ? fitted(parsed.data, room) : undefined;
  return JSON.stringify({ ...result, ...(shorter === undefined ? {} : { inspection: shorter }) });
}
