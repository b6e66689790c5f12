import type { Wanted } from './pieces.ts';

/** A blob as a new Pod's node will ask for it, or the parts of it that it will ask for soon. */
export interface Blob extends Wanted {
  registry: string;
  repository: string;
  /** `sha256:…` */
  digest: string;
  /** `https?://host/v2/<repository>/blobs/<digest>` */
  url: string;
}

/** One image for one platform: exactly the blobs that a new Pod reads. */
export interface WarmImage {
  /** `https?://host/v2/<repository>/manifests/sha256:…` of the platform's own manifest: never a tag, never an index. */
  manifestUrl: string;
  /** `os/architecture[/variant]` */
  platform: string;
  blobs: Blob[];
  /** On how many seeds each blob is to be; all of them when undefined, or when there are not as many. */
  seedReplicas?: number;
  /** Value of the Authorization header for the origin: a short-lived token, never a user name and password. */
  authorization?: string;
}

/** A seed peer. */
export interface Seed {
  /** What people call it, such as the name of its Pod. */
  name: string;
  /** Base URL of its HTTP proxy, such as `http://10.0.0.7:4001`. */
  url: string;
}

/**
 * Why a blob is not warm on a seed:
 * - `Cold`: the seed does not have all of it.
 * - `Evicted`: the same, though this process once saw all of it there.
 * - `TaskIDMismatch`: the seed files it under an id by which nobody who pulls will find it.
 * - `SeedUnreachable`: the seed gave no answer, or none that a Dragonfly proxy gives.
 * - `OriginRejected`: the seed does not have it, and the registry will not give it to the seed.
 * - `SeedDiskFull`: the seed does not have it, and has no room for it.
 */
export type BlobReason = 'Cold' | 'Evicted' | 'TaskIDMismatch' | 'SeedUnreachable' | 'OriginRejected' | 'SeedDiskFull';

/**
 * Why a warm failed, where there is a better word for it than the kind of its error:
 * - `SeedBudgetExceeded`: a seed would have to hold more than the provider's configuration allows; nothing was fetched.
 * - `WrongPlatform`: other blobs were warmed than those of the platform that was asked for.
 */
export type ProviderReason = Exclude<BlobReason, 'Cold' | 'Evicted'> | 'SeedBudgetExceeded' | 'WrongPlatform';

/** What was found of one blob on one seed. */
export interface BlobState {
  digest: string;
  /** Name of the seed. */
  seed: string;
  /** Every piece of the blob was read back from the seed. */
  warm: boolean;
  /** Why it is not warm. */
  reason?: BlobReason;
  /** The same for a person. */
  message?: string;
}

/** How far a warm is. */
export interface WarmProgress {
  /** Blobs of the image that are warm on one seed at least. */
  blobs: number;
  /** Bytes of the image that one seed at least has. */
  bytes: number;
}

export interface WarmOptions {
  timeoutMs: number;
  signal: AbortSignal;
  /** When the blobs are needed: what is needed first is brought first. Default: now. */
  neededAt?: Date;
  /** Called as bytes come to the seeds. */
  onProgress?: (progress: WarmProgress) => void;
}

/** Brings images to the seed peers of a Dragonfly cluster, and proves that they are there. */
export interface Provider {
  /**
   * Brings every blob to the seeds; resolves when all of them were read back. Blobs that are there already cost nothing, and
   * what several callers want at the same time is brought once. After an abort nothing more is asked for; a seed finishes by
   * itself the blobs that it was asked for before.
   * @throws ProviderError, or the signal's reason
   */
  warm(image: WarmImage, options: WarmOptions): Promise<void>;
  /**
   * Reads every blob back from every seed that is to have it, through the path on which the nodes get it. What is warm costs the origin nothing;
   * a blob that is not costs it one piece at most (4 to 64 MiB).
   * @throws ProviderError `Unreachable` when no seed is known, or the signal's reason
   */
  verify(image: WarmImage, options: { signal: AbortSignal }): Promise<BlobState[]>;
  /**
   * Resolves when the provider can be used now.
   * @throws ProviderError, or the signal's reason
   */
  check(options: { signal: AbortSignal }): Promise<void>;
}

/**
 * - `Unreachable`: nobody answers.
 * - `Rejected`: credentials are refused, or the registry does not have the blob: a person must act.
 * - `Failed`: it was tried and did not work.
 * - `TimedOut`: it was not done in time.
 */
export type ProviderErrorKind = 'Unreachable' | 'Rejected' | 'Failed' | 'TimedOut';

/** Warming did not work. The message holds no credentials and may go into a status. */
export class ProviderError extends Error {
  override name = 'ProviderError';
  readonly kind: ProviderErrorKind;
  readonly reason: ProviderReason | undefined;
  /** Milliseconds to wait before trying again, where the other side said so. */
  readonly retryAfter: number | undefined;

  constructor(
    kind: ProviderErrorKind,
    message: string,
    options: { reason?: ProviderReason | undefined; retryAfter?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.reason = options.reason;
    this.retryAfter = options.retryAfter;
  }
}
