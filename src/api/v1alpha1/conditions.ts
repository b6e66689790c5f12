/**
 * Condition types and reasons: every one that Slipstream writes is here, with its polarity. Reasons are past-tense facts
 * (or states) that a person can act on; an Event about the same thing carries the same reason.
 */

/** Sums up an object. Normal-true: True when the object does what it is for. */
export const READY = 'Ready';
/** A controller is at work on the object. Abnormal-true: present only while True (kstatus). */
export const RECONCILING = 'Reconciling';
/** Nothing will change until a person acts. Abnormal-true: present only while True (kstatus). */
export const STALLED = 'Stalled';
/**
 * AcceleratedImage with `spec.replicas` only. Normal-true: every region's copy is verified and of the current artifact. Ready
 * does not depend on it.
 */
export const REPLICATED = 'Replicated';
/**
 * AcceleratedImage only. Abnormal-true: tags of older artifacts could not be removed; present only while True. Ready does not
 * depend on it.
 */
export const CLEANUP_FAILED = 'CleanupFailed';
/**
 * AcceleratedImage with `spec.inspection.budget` only. Normal-true: the image is no bigger, and wastes no more, than that says.
 * Ready does not depend on it.
 */
export const WITHIN_BUDGET = 'WithinBudget';
/**
 * AcceleratedImage whose source must be signed only, by `spec.source.verify` or by the operator's configuration. Normal-true: it
 * is, by a key that may. Without, it is not converted.
 */
export const SOURCE_VERIFIED = 'SourceVerified';
/**
 * AcceleratedImage only, and where the operator has a signing key. Normal-true: the artifact is signed by it. A new artifact is
 * not Ready before; one that was Ready when the key changed stays so.
 */
export const SIGNED = 'Signed';
/** PrefetchPolicy only. Normal-true: every blob that the next Pods will read was read back from the seed peers. */
export const WARM = 'Warm';
/**
 * PrefetchPolicy with `spec.hold` only. Normal-true: new Pods can be held, as there are others than the operator to release them.
 * Ready does not depend on it.
 */
export const HOLDING = 'Holding';

/** Why a condition of an AcceleratedImage is what it is. */
export const AcceleratedImageReason = {
  /** Ready=True: the artifact is in the registry and verified. */
  Ready: 'Ready',
  /** Ready=False, Reconciling: the source is being resolved for the first time. */
  Resolving: 'Resolving',
  /** Ready=False, Reconciling: the conversion waits for a free place; `status.conversion.queuePosition` says how far back. */
  Queued: 'Queued',
  /** Reconciling (Ready=False before the first artifact): a conversion Job is running. */
  Converting: 'Converting',
  /** Reconciling: a finished artifact is being checked. */
  Verifying: 'Verifying',
  /** Stalled: a field passed the schema but is not usable, such as a reference that is none. */
  InvalidSpec: 'InvalidSpec',
  /** Ready=False: the registry answered that the source does not exist. */
  SourceNotFound: 'SourceNotFound',
  /** Stalled: the source is an OCI artifact but not a container image. */
  SourceNotAnImage: 'SourceNotAnImage',
  /** Stalled: the source offers none of the wanted platforms. */
  PlatformMissing: 'PlatformMissing',
  /** Stalled: `spec.conversion.chunkDictionary` names an image that is not there, or whose chunks cannot be used; the message says why. */
  DictionaryUnusable: 'DictionaryUnusable',
  /** Ready=False: the registry refused the credentials. */
  CredentialsRejected: 'CredentialsRejected',
  /** Ready=False: the namespace did not grant the operator `get` on the Secret; the message holds the Role to apply. */
  CredentialsForbidden: 'CredentialsForbidden',
  /** Ready=False: the Secret does not exist. */
  CredentialsMissing: 'CredentialsMissing',
  /** Ready=False: the Secret is of another type, holds no docker config, or has no usable entry for the registry that it names. */
  CredentialsMalformed: 'CredentialsMalformed',
  /** Ready=False: the registry answered 429; tried again when it said. */
  RateLimited: 'RateLimited',
  /** Ready=False: no answer from the registry, or an answer of 5xx. */
  RegistryUnreachable: 'RegistryUnreachable',
  /** Stalled: the Job failed for good; the message says why. Tried again when the source or the spec changes. */
  ConversionFailed: 'ConversionFailed',
  /** Ready=False: the artifact in the registry is not what was converted. It is never used. */
  VerificationFailed: 'VerificationFailed',
  /**
   * Ready=False: a verified artifact has gone from the registry; it is converted again. In the mode Adopt: there is no Nydus
   * image of the source yet, or none any more; it is looked for again in each interval.
   */
  ArtifactMissing: 'ArtifactMissing',
  /**
   * Stalled: what was found in the mode Adopt is no Nydus image, or not one of this source; the message names the first
   * difference. Push both halves by one build; it is looked at again in each interval.
   */
  ArtifactMismatch: 'ArtifactMismatch',
  /** SourceVerified=True: the source is signed as it must be. */
  SourceVerified: 'SourceVerified',
  /** Stalled, SourceVerified=False: the source must be signed and is not; looked at again each minute or interval. */
  SignatureMissing: 'SignatureMissing',
  /** Stalled, SourceVerified=False: no signature of the source is by a key that may sign it, or they are of another image. */
  SignatureInvalid: 'SignatureInvalid',
  /** Signed=True: the artifact is signed with the operator's key, and says how it was made. */
  Signed: 'Signed',
  /** Signed=False: the operator does not sign what it adopts; whoever builds it does. */
  Adopted: 'Adopted',
  /** Signed=False (Ready=False for a new artifact): the operator's signing key is missing or unusable; its admin must act. */
  SigningKeyUnusable: 'SigningKeyUnusable',
  /** Replicated=True: every region has a verified copy of the artifact. */
  Replicated: 'Replicated',
  /** Replicated=False: copies are under way, or wait for the artifact or for a free place. */
  ReplicationPending: 'ReplicationPending',
  /** Replicated=False: a copy failed; `status.replicas` says which and why. Tried again by itself, others are not held up. */
  ReplicationFailed: 'ReplicationFailed',
  /** In `status.history`: the tags of an older artifact stay, as a Pod runs it or another AcceleratedImage needs it. */
  InUse: 'InUse',
  /** CleanupFailed: the registry deletes no tags. Remove them by its own means, or have it allow that. */
  DeletionUnsupported: 'DeletionUnsupported',
  /** An Event: tags that an object made are gone from the registries, as `spec.history` or `spec.deletionPolicy` asks. */
  TagsRemoved: 'TagsRemoved',
  /** An Event: an object with `deletionPolicy: Delete` is gone, and tags that it made are not; the message says which and why. */
  TagsLeft: 'TagsLeft',
  /** WithinBudget=True: the image is within `spec.inspection.budget`. */
  WithinBudget: 'WithinBudget',
  /** WithinBudget=False: the image is beyond `spec.inspection.budget`; `status.inspection.findings` says where the bytes are. */
  BudgetExceeded: 'BudgetExceeded',
  /**
   * WithinBudget=Unknown: there is no artifact yet, its image has too many files to be inspected, or it was made before images
   * were; `slipstream inspect` looks at the image itself.
   */
  NotInspected: 'NotInspected',
} as const;
export type AcceleratedImageReason = (typeof AcceleratedImageReason)[keyof typeof AcceleratedImageReason];

/** Why a condition of a PrefetchPolicy is what it is. */
export const PrefetchPolicyReason = {
  /** Ready=True: the autoscaler is watched and nothing is in the way of warming. */
  Watching: 'Watching',
  /** Reconciling: blobs are on their way to the seed peers. */
  Warming: 'Warming',
  /** Warm=True: every blob was read back from the seed peers. */
  Warm: 'Warm',
  /** Warm=False: no scale-out has come near since the policy was made. */
  NotWarmed: 'NotWarmed',
  /** Warm=False: `mode: DryRun` decides and records only. */
  DryRun: 'DryRun',
  /**
   * Warm=False: a seed peer has not all of what was warm any more, or is new. It is warmed again at once while a scale-out that
   * was foreseen has not come, less often each time, else at the next sign of one. If it comes back, give the seed peers larger
   * disks.
   */
  Evicted: 'Evicted',
  /**
   * Ready=False: blobs are filed under task ids by which no puller finds them. Set
   * proxy.registryMirror.enableTaskIDBasedBlobDigest on seed peers and peers; a Dragonfly manager up to v2.5.1 cannot do it,
   * use a provider of type seedPeers.
   */
  TaskIDMismatch: 'TaskIDMismatch',
  /** Ready=False: a seed peer that is to have blobs does not answer, or not as a Dragonfly proxy; the others were warmed. */
  SeedUnreachable: 'SeedUnreachable',
  /** Ready=False: the registry refuses a blob to the seed peers (401, 403), or does not have it (404); see the pull Secret. */
  OriginRejected: 'OriginRejected',
  /** Ready=False: a seed peer has no room on its disk for a blob. Give it more, lower its disk thresholds, or warm less. */
  SeedDiskFull: 'SeedDiskFull',
  /**
   * Ready=False: a seed peer would have to hold more than maxSeedBytes of the provider; nothing was fetched. Raise that, lower
   * spec.warm.seedReplicas, or warm less.
   */
  SeedBudgetExceeded: 'SeedBudgetExceeded',
  /** Ready=False: an image is of another platform than the nodes, or the provider brought the blobs of another one. */
  WrongPlatform: 'WrongPlatform',
  /** Warm=False: the blobs are more bytes than `spec.limits.maxBytes` allows. */
  OverBudget: 'OverBudget',
  /** Ready=True: the autoscaler is off, as its target has no replicas; the other triggers are followed. */
  ScaledToZero: 'ScaledToZero',
  /** Ready=False: the HorizontalPodAutoscaler does not exist. */
  AutoscalerNotFound: 'AutoscalerNotFound',
  /** Ready=False: the HorizontalPodAutoscaler sees no metrics, so that nothing can be foreseen from them. */
  MetricsMissing: 'MetricsMissing',
  /** Stalled: a schedule is no cron expression, never comes, or is in a time zone that there is not. */
  ScheduleInvalid: 'ScheduleInvalid',
  /** Stalled: no Prometheus is configured, it refuses the query, or the query gives something else than one number. */
  ForecastInvalid: 'ForecastInvalid',
  /** Ready=False: Prometheus does not answer, or has no number for the query at this time. */
  ForecastUnavailable: 'ForecastUnavailable',
  /** Ready=False: the scale target does not exist. */
  TargetNotFound: 'TargetNotFound',
  /** Stalled: the scale target is of a kind that Slipstream may not read. */
  TargetForbidden: 'TargetForbidden',
  /** Stalled: `spec.warm.provider` names no provider of the operator's configuration. */
  ProviderUnknown: 'ProviderUnknown',
  /** Ready=False: the provider (Dragonfly manager or seed peers) does not answer. */
  ProviderUnreachable: 'ProviderUnreachable',
  /** Ready=False: the provider refused the job or its token. */
  ProviderRejected: 'ProviderRejected',
  /** Ready=False: a blob could not be warmed, or not in time; the message says how far it came and what was last in the way. */
  WarmFailed: 'WarmFailed',
  /** Holding=True: the releaser is alive, so that Pods may be held. */
  ReleaserAlive: 'ReleaserAlive',
  /** Holding=False: nobody is held, as the releaser has not renewed its Lease lately. */
  ReleaserMissing: 'ReleaserMissing',
  /** Holding=False: the chart's value `hold.enabled` is false. */
  HoldDisabled: 'HoldDisabled',
  /** Holding=False: `admission.mode` is Policy, which cannot hold. */
  HoldNeedsWebhook: 'HoldNeedsWebhook',
  /** Ready=False: an image of the target could not be resolved in its registry. */
  ImageUnresolvable: 'ImageUnresolvable',
} as const;
export type PrefetchPolicyReason = (typeof PrefetchPolicyReason)[keyof typeof PrefetchPolicyReason];
