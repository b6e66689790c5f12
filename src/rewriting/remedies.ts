import type { EventType } from '../kube/events.ts';
import { SkipReason } from './reasons.ts';

/** What a person can do about a reason. */
export interface Remedy {
  /** What would have to change, in whole sentences. */
  readonly text: string;
  /**
   * Type of the Event about it. Normal: somebody asked for it, or it passes by itself (a conversion that does not is a
   * Warning on the AcceleratedImage). Warning: an AcceleratedImage has no effect on the Pod, nobody said that it should have
   * none, and so it stays until a person acts; the label `slipstream.dev/rewrite: disabled` is an answer too. Undefined: there
   * is nobody to tell, or nothing.
   */
  readonly event?: EventType;
}

/** What a person can do about each reason; a reason without its remedy does not compile. */
export const REMEDIES: Readonly<Record<SkipReason, Remedy>> = {
  [SkipReason.MirrorPod]: {
    text: 'Nothing in the cluster can change it: the Pod is what its manifest on the node says.',
  },
  [SkipReason.OptedOut]: {
    text: 'Take the label slipstream.dev/rewrite=disabled off the Pod template, or off the Namespace.',
    event: 'Normal',
  },
  [SkipReason.NamespaceUnknown]: {
    text: 'Nothing: Pods that are created a moment later are not held up by it.',
    event: 'Normal',
  },
  [SkipReason.ImagePullPolicyNever]: {
    text: 'Let the containers of the Pod template pull their images: imagePullPolicy IfNotPresent.',
    event: 'Warning',
  },
  [SkipReason.OwnerComparesImages]: {
    text:
      "If the owner's controller does not mind a changed image, add the owner's kind, as Kind.group, to " +
      "rewriting.extraOwnerKinds in the chart's values, or take it out of rewriting.excludedOwnerKinds.",
    event: 'Warning',
  },
  [SkipReason.NoAcceleratedImage]: {
    text:
      "Create an AcceleratedImage whose spec.source.image is this very image, in the Pod's namespace or, for every " +
      "namespace, in the operator's.",
  },
  [SkipReason.AlreadyRewritten]: { text: 'Nothing: the Pod runs artifacts.' },
  [SkipReason.PolicyNever]: {
    text: 'Set spec.rewrite.policy of the AcceleratedImage to WhenReady.',
    event: 'Normal',
  },
  [SkipReason.NotReady]: {
    text:
      'Wait for the conversion. Where it does not come to an end, the conditions of the AcceleratedImage say what is in ' +
      'the way: kubectl describe acceleratedimage.',
    event: 'Normal',
  },
  [SkipReason.PullSecretMissing]: {
    text:
      "Have a Secret of that name in the Pod's namespace, and name it in imagePullSecrets of the Pod template. Those of a Pod " +
      'that runs already cannot change.',
    event: 'Warning',
  },
  [SkipReason.AnnotationsFull]: {
    text: "Make the annotations of the Pod template smaller: what is in kubectl's last-applied-configuration need not be.",
    event: 'Warning',
  },
  [SkipReason.TagStale]: {
    text:
      'See that the operator runs and reaches the registry: it asks what the tag names each spec.source.interval. A Pod ' +
      'that names the image by digest does not depend on it.',
    event: 'Warning',
  },
  [SkipReason.ArtifactOutdated]: {
    text: 'Wait: Pods that are created after the new artifact was verified are rewritten.',
    event: 'Normal',
  },
  [SkipReason.DigestDiffers]: {
    text:
      'Name the tag or the digest that was converted in the Pod template, or create an AcceleratedImage of the digest ' +
      'that the Pod pins.',
    event: 'Warning',
  },
  [SkipReason.PlatformNotCovered]: {
    text:
      'Add the platform to spec.conversion.platforms of the AcceleratedImage, if its source offers it, or keep the Pod ' +
      'from those nodes by a nodeSelector on kubernetes.io/arch.',
    event: 'Warning',
  },
  [SkipReason.ReplicaNotReady]: {
    text:
      'Wait for the copy. Where it does not come to an end, status.replicas of the AcceleratedImage says why. Without the ' +
      'region in spec.replicas, its Pods run the artifact itself.',
    event: 'Normal',
  },
  [SkipReason.OtherRuntimeClass]: {
    text:
      'Take runtimeClassName, and the annotation io.containerd.cri.runtime-handler, out of the Pod template: a Pod has ' +
      'one RuntimeClass.',
    event: 'Warning',
  },
  [SkipReason.RuntimeClassMissing]: {
    text:
      "Create the RuntimeClass (nydus.runtimeClass.create in the chart's values), or give nydus.runtimeClass.name and " +
      'nydus.runtimeHandler there the values of one that exists.',
    event: 'Warning',
  },
  [SkipReason.UserNamespaced]: { text: 'Take hostUsers: false out of the Pod template.', event: 'Warning' },
  [SkipReason.NoCapableNode]: {
    text:
      'Let the Pod template allow a node that runs Nydus (kubectl get nodes --selector slipstream.dev/nydus=true), or ' +
      'install nydus-snapshotter on one that it allows.',
    event: 'Warning',
  },
  [SkipReason.NodeNotCapable]: {
    text: 'Install nydus-snapshotter on every node that the Pod may land on, or keep it from the others by a nodeSelector.',
    event: 'Warning',
  },
  [SkipReason.VolumeMayBindElsewhere]: {
    text: 'If the volume is bound to no such node, say so: put the nodeSelector of the RuntimeClass into the Pod template.',
    event: 'Warning',
  },
};
