/**
 * What the runtime reads of any Kubernetes object. Optional fields also admit `undefined`, so that both wire types and
 * parsed types fit.
 */
export interface KubeObject {
  apiVersion?: string | undefined;
  kind?: string | undefined;
  metadata: {
    name: string;
    namespace?: string | undefined;
    uid?: string | undefined;
    resourceVersion?: string | undefined;
    generation?: number | undefined;
    labels?: Record<string, string> | undefined;
    annotations?: Record<string, string> | undefined;
    creationTimestamp?: string | undefined;
    deletionTimestamp?: string | undefined;
    finalizers?: string[] | undefined;
    ownerReferences?: OwnerReference[] | undefined;
  };
}

/** `namespace/name`, or `name` for a cluster-scoped object (client-go MetaNamespaceKeyFunc). */
export type Key = string;

/** The key of `object`. */
export function keyOf(object: KubeObject): Key {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

/** The parts of `key`; throws when it is not one that keyOf makes. */
export function splitKey(key: Key): { namespace?: string; name: string } {
  const [first = '', second, ...rest] = key.split('/');
  if (rest.length > 0) {
    throw new Error(`unexpected key format: ${JSON.stringify(key)} is not namespace/name`);
  }
  return second === undefined ? { name: first } : { namespace: first, name: second };
}

/** Freezes a JSON tree to its leaves. A part that is frozen already is taken to be so all the way down. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) {
    return value;
  }
  Object.freeze(value);
  for (const part of Object.values(value)) {
    deepFreeze(part);
  }
  return value;
}

/** metav1.OwnerReference: what is deleted with its owner. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean | undefined;
  blockOwnerDeletion?: boolean | undefined;
}
