import { NODE_CAPABLE_LABEL } from '../../api/v1alpha1/labels.ts';
import type { Node } from '../../kube/resources.ts';
import { capability } from '../../rewriting/nodes.ts';

/** Time for which a node that lost its label does not get it back: one that flaps costs two writes a minute at most. */
export const HOLD_OFF_MS = 30_000;

/** What to do about the label of a node. */
export type LabelStep = 'keep' | 'set' | 'clear' | 'wait';

/**
 * Decides about the label by which the RuntimeClass schedules. It follows the runtime handlers that the kubelet reports, not
 * readiness: a restart of kubelet or containerd, or a node that goes and comes, changes no label. The scheduler keeps Pods
 * off nodes that are not Ready by their taints.
 * @param clearedAt when the label was last taken away
 */
export function labelStep(node: Node, handler: string, clearedAt: Date | undefined, now: Date): LabelStep {
  const labelled = node.metadata.labels?.[NODE_CAPABLE_LABEL] !== undefined;
  const capable = capability(node, handler) ?? labelled;
  if (capable === labelled) {
    return 'keep';
  }
  if (labelled) {
    return 'clear';
  }
  return clearedAt === undefined || now.getTime() - clearedAt.getTime() >= HOLD_OFF_MS ? 'set' : 'wait';
}
