/**
 * Why a Pod, or one of its containers, is left as it was. The annotation `slipstream.dev/rewrite`, the counter of
 * admissions and the log carry these words. They stand in the order in which they are checked.
 */
export const SkipReason = {
  /** The Pod is the API server's picture of a static Pod: a change of it reaches no kubelet. Never touched at all. */
  MirrorPod: 'MirrorPod',
  /** The Pod or its Namespace carries the label `slipstream.dev/rewrite: disabled`. */
  OptedOut: 'OptedOut',
  /** The Namespace is so new that its labels are not known yet: it may have opted out. */
  NamespaceUnknown: 'NamespaceUnknown',
  /** A container may only use an image that is on the node already (`imagePullPolicy: Never`). */
  ImagePullPolicyNever: 'ImagePullPolicyNever',
  /**
   * The Pod belongs to a controller of no built-in or listed kind: many compare images with what they wrote, and loop. Or the
   * kind is excluded.
   */
  OwnerComparesImages: 'OwnerComparesImages',
  /** No AcceleratedImage in reach names an image of the Pod. Not annotated. */
  NoAcceleratedImage: 'NoAcceleratedImage',
  /** The Pod runs artifacts already, and nothing is left to rewrite. Its annotations stay. */
  AlreadyRewritten: 'AlreadyRewritten',
  /** `spec.rewrite.policy` of the AcceleratedImage is Never. */
  PolicyNever: 'PolicyNever',
  /** The AcceleratedImage has no verified artifact. */
  NotReady: 'NotReady',
  /** What the tag names was not confirmed for two intervals. */
  TagStale: 'TagStale',
  /** The tag has moved, and the artifact of what it names now is not verified yet. */
  ArtifactOutdated: 'ArtifactOutdated',
  /** The Pod pins another digest than the one that was converted. */
  DigestDiffers: 'DigestDiffers',
  /**
   * The artifact is in another registry, and the Pod cannot be given the Secret that pulls from there: that lies in the
   * operator's namespace, or the Pod runs already.
   */
  PullSecretMissing: 'PullSecretMissing',
  /** The Pod may land on a capable node of a platform that the artifact lacks. */
  PlatformNotCovered: 'PlatformNotCovered',
  /** All nodes that the Pod may land on are of a region that is to have a copy of its own, and that is not verified yet. */
  ReplicaNotReady: 'ReplicaNotReady',
  /** The Pod asks for another RuntimeClass or runtime handler. */
  OtherRuntimeClass: 'OtherRuntimeClass',
  /** The configured RuntimeClass does not exist, or has another handler: a Pod that names it would be rejected. */
  RuntimeClassMissing: 'RuntimeClassMissing',
  /** The Pod wants a user namespace (`hostUsers: false`), which a snapshotter may only serve by reading the whole image. */
  UserNamespaced: 'UserNamespaced',
  /** None of the nodes that the Pod's own constraints allow, and that have its devices, can run Nydus now. */
  NoCapableNode: 'NoCapableNode',
  /** Nydus is the default snapshotter, but a node that the Pod may land on lacks it. */
  NodeNotCapable: 'NodeNotCapable',
  /** A volume or a device may be bound to a node or zone without Nydus, and the RuntimeClass would keep the Pod from it. */
  VolumeMayBindElsewhere: 'VolumeMayBindElsewhere',
  /** The Pod's annotations have no room for what a rewrite adds: the API server would refuse the Pod. */
  AnnotationsFull: 'AnnotationsFull',
} as const;
export type SkipReason = (typeof SkipReason)[keyof typeof SkipReason];

/** One check's objection: a reason, and the same for a person. */
export interface Finding {
  readonly reason: SkipReason;
  readonly message: string;
}
