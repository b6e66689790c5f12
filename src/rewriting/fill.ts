import type { AcceleratedImage } from '../api/v1alpha1/acceleratedimage.ts';
import type { Namespace, Node, RuntimeClass } from '../kube/resources.ts';
import type { RewriteIndex } from './index.ts';

/** What reports the changes of one kind, those of the past first: an informer. */
export interface Changes<T> {
  onChange(handler: (change: { readonly type: 'added' | 'updated' | 'deleted'; readonly object: T }) => void): void;
}

/** The kinds that a decision about a Pod depends on. */
export interface IndexSources {
  readonly images: Changes<AcceleratedImage>;
  readonly nodes: Changes<Node>;
  readonly namespaces: Changes<Namespace>;
  readonly runtimeClasses: Changes<RuntimeClass>;
}

/** Keeps an index in step with what is watched. */
export function fillIndex(index: RewriteIndex, { images, nodes, namespaces, runtimeClasses }: IndexSources): void {
  images.onChange(({ type, object }) => (type === 'deleted' ? index.deleteImage(object) : index.upsertImage(object)));
  nodes.onChange(({ type, object }) => (type === 'deleted' ? index.deleteNode(object) : index.upsertNode(object)));
  namespaces.onChange(({ type, object }) =>
    type === 'deleted' ? index.deleteNamespace(object) : index.upsertNamespace(object),
  );
  runtimeClasses.onChange(({ type, object }) =>
    type === 'deleted' ? index.deleteRuntimeClass(object) : index.upsertRuntimeClass(object),
  );
}
