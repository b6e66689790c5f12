import type { AcceleratedImage } from '../api/v1alpha1/acceleratedimage.ts';
import { acceleratedImages, pods, type Pod } from '../kube/resources.ts';
import { readPod, type ContainerFacts } from '../rewriting/pod.ts';
import { needed, type Reader } from './reader.ts';

/** What is learnt from. */
export interface LearnTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** Node that the Pod is on. */
  readonly node: string;
  /** Reference of the artifact that the container runs. */
  readonly image: string;
  /** The object that the list belongs into, as far as it can be told. */
  readonly acceleratedImage?: { readonly namespace: string; readonly name: string };
}

/**
 * Finds the accelerated container of a running Pod.
 * @param operatorNamespace where AcceleratedImages for every namespace are
 * @throws Error saying why there is nothing to be learnt from the Pod
 */
export async function findLearnTarget(
  reader: Reader,
  namespace: string,
  name: string,
  container: string | undefined,
  operatorNamespace: string,
): Promise<LearnTarget> {
  const pod = await needed(`get pod ${name} in namespace ${namespace}`, (gap) =>
    reader.get(pods, { namespace, name }, gap),
  );
  if (pod === 'Missing') {
    throw new Error(`there is no Pod ${name} in the namespace ${namespace}: name its namespace by --namespace`);
  }
  const chosen = chooseContainer(pod, container);
  const node = pod.spec?.nodeName;
  if (node === undefined || pod.status?.phase !== 'Running') {
    throw new Error(`Pod ${namespace}/${name} is ${pod.status?.phase}: wait until it runs and is Ready`);
  }
  const images = await readImages(reader, new Set([namespace, operatorNamespace]));
  const owner =
    images.find((each) => isOf(each, chosen.image)) ??
    images.find((each) => each.spec.source.image === chosen.original);
  return {
    namespace,
    pod: name,
    container: chosen.name,
    node,
    image: chosen.image,
    ...(owner === undefined
      ? {}
      : { acceleratedImage: { namespace: owner.metadata.namespace, name: owner.metadata.name } }),
  };
}

/**
 * The container that is meant: of those that were rewritten the only one, or the one of that name.
 * @throws Error saying which there are
 */
export function chooseContainer(pod: Pod, wanted: string | undefined): ContainerFacts & { original: string } {
  const { containers, originals } = readPod(pod);
  const what = `Pod ${pod.metadata.namespace}/${pod.metadata.name}`;
  if (wanted !== undefined && !containers.some(({ name }) => name === wanted)) {
    throw new Error(`${what} has no container ${wanted}: it has ${containers.map(({ name }) => name).join(', ')}`);
  }
  const rewritten = containers.flatMap((each) => {
    const original = originals.get(each.name);
    return original === undefined || (wanted !== undefined && each.name !== wanted) ? [] : [{ ...each, original }];
  });
  const [only, another] = rewritten;
  if (only === undefined) {
    const which = wanted === undefined ? 'no container' : `container ${wanted} does not run an accelerated image`;
    throw new Error(
      `${wanted === undefined ? `${which} of ${what} runs an accelerated image` : `${which} in ${what}`}: ` +
        `kubectl slipstream explain pod/${pod.metadata.name} -n ${pod.metadata.namespace} says why`,
    );
  }
  if (another !== undefined) {
    throw new Error(
      `${what} has several accelerated containers: say which by --container: ${rewritten.map(({ name }) => name).join(', ')}`,
    );
  }
  return only;
}

/** The AcceleratedImages of some namespaces, the first one's first, as far as the user may read them. */
async function readImages(reader: Reader, namespaces: ReadonlySet<string>): Promise<readonly AcceleratedImage[]> {
  const images: AcceleratedImage[] = [];
  for (const namespace of namespaces) {
    const found = await reader.list(acceleratedImages, namespace, {
      right: `list acceleratedimages in namespace ${namespace}`,
      unknown: 'which AcceleratedImage the list belongs into',
    });
    images.push(...(typeof found === 'string' ? [] : found));
  }
  return images;
}

function isOf({ status }: AcceleratedImage, image: string): boolean {
  return [status?.artifact, ...(status?.replicas ?? [])].some((made) => made?.image === image);
}
