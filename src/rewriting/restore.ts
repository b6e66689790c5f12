import { ORIGINAL_IMAGES_ANNOTATION, REWRITE_ANNOTATION, RUNTIME_HANDLER_ANNOTATION } from '../api/v1alpha1/labels.ts';
import { fieldsOf, itemsOf } from './json.ts';
import { REWRITTEN } from './annotations.ts';
import { readPod } from './pod.ts';

/**
 * A Pod that exists as it was before admission and the scheduler changed it, so that it can be decided about anew: the
 * original images are back, and the annotations, the RuntimeClass with its labels and the node are off. A node selector or
 * a node that the Pod's own template gives cannot be told from those and goes too. Pull secrets stay: nothing is decided by
 * them. Total, like the reading of a Pod.
 * @param classSelector the nodeSelector of the RuntimeClass that admission set
 */
export function restorePod(pod: unknown, classSelector: ReadonlyMap<string, string>): object {
  const { annotations, originals, nodeSelector } = readPod(pod);
  const metadata = fieldsOf(fieldsOf(pod)['metadata']);
  const { nodeName: _node, ...spec } = fieldsOf(fieldsOf(pod)['spec']);
  const told = [REWRITE_ANNOTATION, ORIGINAL_IMAGES_ANNOTATION];
  if (annotations.get(REWRITE_ANNOTATION) !== REWRITTEN) {
    return { ...fieldsOf(pod), metadata: { ...metadata, annotations: without(annotations, told) }, spec };
  }
  const { runtimeClassName: _class, ...unclassed } = spec;
  const merged = [...classSelector].filter(([key, value]) => nodeSelector.get(key) === value).map(([key]) => key);
  return {
    ...fieldsOf(pod),
    metadata: { ...metadata, annotations: without(annotations, [...told, RUNTIME_HANDLER_ANNOTATION]) },
    spec: {
      ...unclassed,
      initContainers: withImages(spec['initContainers'], originals),
      containers: withImages(spec['containers'], originals),
      nodeSelector: without(nodeSelector, merged),
    },
  };
}

function without(map: ReadonlyMap<string, string>, keys: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries([...map].filter(([key]) => !keys.includes(key)));
}

function withImages(containers: unknown, images: ReadonlyMap<string, string>): readonly object[] {
  return itemsOf(containers).map((item) => {
    const container = fieldsOf(item);
    return { ...container, image: images.get(String(container['name'])) ?? container['image'] };
  });
}
