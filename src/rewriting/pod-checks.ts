import { REWRITE_DISABLED, REWRITE_LABEL, RUNTIME_HANDLER_ANNOTATION } from '../api/v1alpha1/labels.ts';
import { usesRuntimeClass, type Check, type PodInput } from './check.ts';
import { SkipReason, type Finding } from './reasons.ts';

/** Built-in workload controllers, as `Kind.group`. None compares the images of its Pods with its template once they exist. */
export const WORKLOAD_KINDS: ReadonlySet<string> = new Set([
  'ReplicaSet.apps',
  'StatefulSet.apps',
  'DaemonSet.apps',
  'Job.batch',
  'ReplicationController',
]);

/** Checks of a new Pod, before its images are looked at. */
export const POD_CHECKS: readonly Check<PodInput>[] = [
  mirrorPod,
  podOptedOut,
  namespaceOptedOut,
  namespaceUnknown,
  pulledNever,
  ownerComparesImages,
];

/** Checks of an ephemeral container's Pod: it runs already, so its owner and its pull policies have had their say. */
export const RUNNING_POD_CHECKS: readonly Check<PodInput>[] = [
  mirrorPod,
  podOptedOut,
  namespaceOptedOut,
  namespaceUnknown,
  notOurRuntimeClass,
];

function mirrorPod({ pod }: PodInput): Finding | undefined {
  return pod.mirror
    ? {
        reason: SkipReason.MirrorPod,
        message: 'it mirrors a static Pod: a change of it would reach no kubelet',
      }
    : undefined;
}

function podOptedOut({ pod }: PodInput): Finding | undefined {
  return pod.optedOut
    ? { reason: SkipReason.OptedOut, message: `the Pod has the label ${REWRITE_LABEL}=${REWRITE_DISABLED}` }
    : undefined;
}

function namespaceOptedOut({ index, namespace }: PodInput): Finding | undefined {
  return index.namespaceState(namespace) === 'OptedOut'
    ? {
        reason: SkipReason.OptedOut,
        message: `the Namespace ${namespace} has the label ${REWRITE_LABEL}=${REWRITE_DISABLED}`,
      }
    : undefined;
}

function namespaceUnknown({ index, namespace }: PodInput): Finding | undefined {
  return index.namespaceState(namespace) === 'Unknown'
    ? {
        reason: SkipReason.NamespaceUnknown,
        message: `the Namespace ${namespace} is too new: whether it opted out is not known yet`,
      }
    : undefined;
}

/** A RuntimeClass moves the whole Pod to the other snapshotter, where an image that is never pulled may not be. */
function pulledNever({ pod, index }: PodInput): Finding | undefined {
  const container = usesRuntimeClass(index.config) ? pod.containers.find((each) => each.pulledNever) : undefined;
  return container === undefined
    ? undefined
    : {
        reason: SkipReason.ImagePullPolicyNever,
        message: `container ${container.name} has imagePullPolicy Never, and its image may be in the default snapshotter only`,
      };
}

function ownerComparesImages({ pod, index }: PodInput): Finding | undefined {
  if (pod.owner === undefined) {
    return undefined;
  }
  const { group, kind, name } = pod.owner;
  const groupKind = group === '' ? kind : `${kind}.${group}`;
  if (WORKLOAD_KINDS.has(groupKind) || index.config.extraOwnerKinds.includes(groupKind)) {
    return undefined;
  }
  return {
    reason: SkipReason.OwnerComparesImages,
    message: `its owner ${groupKind} ${name} is no built-in workload and may compare images with what it wrote`,
  };
}

function notOurRuntimeClass({ pod, index: { config } }: PodInput): Finding | undefined {
  if (!usesRuntimeClass(config)) {
    return undefined;
  }
  if (pod.runtimeClassName !== config.runtimeClassName) {
    return {
      reason: SkipReason.OtherRuntimeClass,
      message: `the running Pod does not have the RuntimeClass ${config.runtimeClassName}, which cannot be set any more`,
    };
  }
  // Its node took what the sandbox was made with: without it, artifacts are pulled into the default snapshotter.
  return pod.runtimeHandler === config.runtimeHandler
    ? undefined
    : {
        reason: SkipReason.OtherRuntimeClass,
        message: `the running Pod lacks the annotation ${RUNTIME_HANDLER_ANNOTATION}: ${config.runtimeHandler}`,
      };
}
