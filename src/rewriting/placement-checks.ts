import { usesRuntimeClass, type Check, type PodInput } from './check.ts';
import { SkipReason, type Finding } from './reasons.ts';

/** Checks of a new Pod of which at least one container can be rewritten. */
export const PLACEMENT_CHECKS: readonly Check<PodInput>[] = [
  otherRuntimeClass,
  runtimeClassMissing,
  userNamespaced,
  noCapableNode,
  nodeNotCapable,
  volumeMayBindElsewhere,
];

/** Checks of an ephemeral container's Pod, whose node is settled. */
export const RUNNING_PLACEMENT_CHECKS: readonly Check<PodInput>[] = [userNamespaced, noCapableNode, nodeNotCapable];

function otherRuntimeClass({ pod, index }: PodInput): Finding | undefined {
  const { runtimeClassName, runtimeHandler } = pod;
  if (runtimeClassName !== undefined && runtimeClassName !== index.config.runtimeClassName) {
    return { reason: SkipReason.OtherRuntimeClass, message: `the Pod asks for the RuntimeClass ${runtimeClassName}` };
  }
  return runtimeHandler !== undefined && runtimeHandler !== index.config.runtimeHandler
    ? { reason: SkipReason.OtherRuntimeClass, message: `the Pod asks for the runtime handler ${runtimeHandler}` }
    : undefined;
}

/** The API server rejects a Pod that names a RuntimeClass which does not exist. */
function runtimeClassMissing({ index }: PodInput): Finding | undefined {
  return usesRuntimeClass(index.config) && index.runtimeClass === undefined
    ? {
        reason: SkipReason.RuntimeClassMissing,
        message: `there is no RuntimeClass ${index.config.runtimeClassName} with the handler ${index.config.runtimeHandler}`,
      }
    : undefined;
}

/** containerd shifts the owners of a whole root filesystem itself where a snapshotter lacks the capability remap-ids. */
function userNamespaced({ pod }: PodInput): Finding | undefined {
  return pod.userNamespaced
    ? {
        reason: SkipReason.UserNamespaced,
        message: 'the Pod has hostUsers: false, which may read whole images to shift owners',
      }
    : undefined;
}

function noCapableNode({ pod, landing, index }: PodInput): Finding | undefined {
  if (landing().usable > 0) {
    return undefined;
  }
  const { devices } = pod.constraints;
  const having = devices.length === 0 ? '' : `, with ${devices.map(([name]) => name).join(', ')},`;
  const wanted = `is Ready and reports the runtime handler ${index.config.runtimeHandler}`;
  return {
    reason: SkipReason.NoCapableNode,
    message: `no node that the Pod's constraints allow${having} ${wanted}`,
  };
}

function nodeNotCapable({ landing, index }: PodInput): Finding | undefined {
  const { incapable } = landing();
  return usesRuntimeClass(index.config) || incapable === undefined
    ? undefined
    : {
        reason: SkipReason.NodeNotCapable,
        message: `the Pod may land on node ${incapable}, which does not report the runtime handler ${index.config.runtimeHandler}`,
      };
}

/**
 * Claims are not looked at, as admission does no I/O: one may be bound to a node or a zone where the RuntimeClass does
 * not let the Pod go. Where the class excludes no node that the Pod's own constraints allow, it cannot happen.
 */
function volumeMayBindElsewhere({ pod, landing, index }: PodInput): Finding | undefined {
  const { incapable } = landing();
  if (pod.claim === undefined || incapable === undefined) {
    return undefined;
  }
  const selector = [...(index.runtimeClass?.nodeSelector ?? [])].map(([key, value]) => `${key}: "${value}"`).join(', ');
  return {
    reason: SkipReason.VolumeMayBindElsewhere,
    message:
      `a ${pod.claim} of the Pod may be bound to a node without Nydus, such as ${incapable}, which the ` +
      `nodeSelector {${selector}} of the RuntimeClass excludes`,
  };
}
