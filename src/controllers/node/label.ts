import { NODE_CAPABLE_LABEL } from '../../api/v1alpha1/labels.ts';
import type { Node } from '../../kube/resources.ts';
import { hasHandler, isReady } from '../../rewriting/nodes.ts';

/** Time for which a node that lost its label does not get it back: one that flaps costs two writes a minute at most. */
export const HOLD_OFF_MS = 30_000;

/** What to do about the label of a node. */
export type LabelStep = 'keep' | 'set' | 'clear' | 'wait';

/**
 * Decides about the label by which the RuntimeClass schedules. It follows the runtime handlers that the kubelet reports. Of a
 * node that is not Ready nothing new is learned: its kubelet may have started a moment ago, and the scheduler keeps Pods off
 * it by its taints. So a restart of kubelet or containerd, or a node that goes and comes, changes no label.
 * @param clearedAt when the label was last taken away
 */
export function labelStep(node: Node, handler: string, clearedAt: Date | undefined, now: Date): LabelStep {
  const labelled = node.metadata.labels?.[NODE_CAPABLE_LABEL] !== undefined;
  if (hasHandler(node, handler) === labelled || !isReady(node)) {
    return 'keep';
  }
  if (labelled) {
    return 'clear';
  }
  return clearedAt === undefined || now.getTime() - clearedAt.getTime() >= HOLD_OFF_MS ? 'set' : 'wait';
}
