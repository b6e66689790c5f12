import { NODE_CAPABLE_LABEL } from '../../api/v1alpha1/labels.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { nodes } from '../../kube/resources.ts';
import type { Node } from '../../kube/resources.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Outcome, ReconcileContext } from '../../runtime/controller.ts';
import type { Key } from '../../runtime/object.ts';
import type { ReadStore } from '../../runtime/store.ts';
import { HOLD_OFF_MS, labelStep } from './label.ts';

const FIELD_MANAGER = 'slipstream-node';

export interface NodeDependencies {
  client: KubeClient;
  nodes: ReadStore<Node>;
  /** Runtime handler that a capable node lists. */
  runtimeHandler: string;
  clock: Clock;
  /** When each node lost its label, as far as this process saw it. */
  clearedAt: Map<Key, Date>;
}

/**
 * Keeps the label of a node in step with what its kubelet reports: the RuntimeClass schedules by it. The label is the one
 * field that this manager owns, so applying without it takes it away again.
 *
 * The label stays while a node is not Ready. A kubelet that starts admits the Pods that it ran before once more, and ends
 * those whose nodeSelector does not match its labels: rewritten Pods would not survive a reboot.
 */
export async function reconcileNode(
  key: Key,
  { client, nodes: store, runtimeHandler, clock, clearedAt }: NodeDependencies,
  { log, signal }: ReconcileContext,
): Promise<Outcome> {
  const node = store.get(key);
  if (node === undefined) {
    clearedAt.delete(key);
    return {};
  }
  const now = clock.now();
  const step = labelStep(node, runtimeHandler, clearedAt.get(key), now);
  if (step === 'wait') {
    return { requeueAfter: HOLD_OFF_MS };
  }
  if (step === 'keep') {
    return {};
  }
  const labels = step === 'set' ? { [NODE_CAPABLE_LABEL]: 'true' } : {};
  const wanted = { apiVersion: 'v1', kind: 'Node', metadata: { name: key, uid: node.metadata.uid, labels } };
  try {
    await client.apply(nodes, wanted, { fieldManager: FIELD_MANAGER, force: true }, signal);
  } catch (error) {
    if (isNotFound(error)) {
      return {};
    }
    throw error;
  }
  if (step === 'clear') {
    clearedAt.set(key, now);
  }
  log.info(
    { node: key, runtimeHandler },
    step === 'set' ? 'the node can run accelerated images' : 'the node cannot run accelerated images any more',
  );
  return {};
}
