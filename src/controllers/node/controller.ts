import { NODE_CAPABLE_LABEL } from '../../api/v1alpha1/labels.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { nodes } from '../../kube/resources.ts';
import type { Node } from '../../kube/resources.ts';
import { capability } from '../../rewriting/nodes.ts';
import type { ReconcileContext } from '../../runtime/controller.ts';
import type { Key } from '../../runtime/object.ts';
import type { ReadStore } from '../../runtime/store.ts';

const FIELD_MANAGER = 'slipstream-node';

export interface NodeDependencies {
  client: KubeClient;
  nodes: ReadStore<Node>;
  /** Runtime handler that a capable node lists. */
  runtimeHandler: string;
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
  { client, nodes: store, runtimeHandler }: NodeDependencies,
  { log, signal }: ReconcileContext,
): Promise<void> {
  const node = store.get(key);
  if (node === undefined) {
    return;
  }
  const capable = capability(node, runtimeHandler);
  const labelled = node.metadata.labels?.[NODE_CAPABLE_LABEL] !== undefined;
  if (capable === undefined || capable === labelled) {
    return;
  }
  const labels = capable ? { [NODE_CAPABLE_LABEL]: 'true' } : {};
  await client
    .apply(
      nodes,
      { apiVersion: 'v1', kind: 'Node', metadata: { name: key, uid: node.metadata.uid, labels } },
      { fieldManager: FIELD_MANAGER, force: true },
      signal,
    )
    .catch((error: unknown) => {
      if (!isNotFound(error)) {
        throw error;
      }
    });
  log.info(
    { node: key, capable, runtimeHandler },
    capable ? 'the node can run accelerated images' : 'the node cannot run accelerated images any more',
  );
}
