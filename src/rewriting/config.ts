/** What the rewriting needs of the operator's configuration. */
export interface RewriteConfig {
  /** Namespace of the operator: its AcceleratedImages act on every namespace. */
  readonly operatorNamespace: string;
  /** Runtime handler that capable nodes list in `status.runtimeHandlers`. */
  readonly runtimeHandler: string;
  /**
   * RuntimeClass set on rewritten Pods. Empty where Nydus is every node's default snapshotter: then no RuntimeClass is set,
   * and nothing is rewritten as soon as one node that the Pod may land on is not capable.
   */
  readonly runtimeClassName: string;
  /** Kinds of Pod owners, as `Kind.group`, that do not mind a changed image. */
  readonly ownerKinds: readonly string[];
}

/** Built-in workload controllers, as `Kind.group`. None compares the images of its Pods with its template once they exist. */
export const WORKLOAD_KINDS: readonly string[] = [
  'ReplicaSet.apps',
  'StatefulSet.apps',
  'DaemonSet.apps',
  'Job.batch',
  'ReplicationController',
];
