import type { PrefetchPolicy } from '../../api/v1alpha1/prefetchpolicy.ts';
import type { Sign } from '../../autoscaling/sign.ts';
import type { Node } from '../../kube/resources.ts';
import { keyOf } from '../../runtime/object.ts';
import type { Key } from '../../runtime/object.ts';
import type { Change } from '../../runtime/store.ts';

/** How long a node counts as new: until then its first Pods have been created. */
const NEW_MS = 300_000;

/** Whether a node has just joined. */
function isNew({ metadata }: Node, now: Date): boolean {
  const age = now.getTime() - new Date(metadata.creationTimestamp ?? 0).getTime();
  return age >= 0 && age < NEW_MS;
}

/** A sign while the newest node has just joined: its cache is empty, and Pods wait for it. */
export function newNodeSign(nodes: readonly Node[], currentReplicas: number, now: Date): Sign | undefined {
  const joined = nodes.filter((node) => node.spec?.unschedulable !== true && isNew(node, now));
  const [first, ...others] = joined.map(({ metadata }) => metadata.name);
  return first === undefined
    ? undefined
    : {
        trigger: 'NewNode',
        reason: 'NodeJoined',
        message: `node ${first}${others.length === 0 ? '' : ` and ${others.length} more`} joined within ${NEW_MS / 60_000} minutes`,
        currentReplicas,
        expectedReplicas: currentReplicas,
      };
}

/** The policies that want to know of a node that joined. */
export function keysForNode(change: Change<Node>, policies: readonly PrefetchPolicy[], now: Date): Key[] {
  return change.type === 'added' && isNew(change.object, now)
    ? policies.filter(({ spec }) => spec.triggers.newNode).map((policy) => keyOf(policy))
    : [];
}
