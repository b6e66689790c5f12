import type { AcceleratedImage } from '../api/v1alpha1/acceleratedimage.ts';
import { NODE_CAPABLE_LABEL } from '../api/v1alpha1/labels.ts';
import { Config, parseConfig, rewriteConfig } from '../config.ts';
import {
  acceleratedImages,
  configMaps,
  mutatingWebhookConfigurations,
  namespaces,
  nodes,
  runtimeClasses,
  type MutatingWebhookConfiguration,
  type Namespace,
  type Node,
} from '../kube/resources.ts';
import type { RewriteConfig } from '../rewriting/config.ts';
import { RewriteIndex } from '../rewriting/index.ts';
import { SkipReason } from '../rewriting/reasons.ts';
import type { Gap, Reader } from './reader.ts';

/** Where the operator is. */
export interface Operator {
  readonly namespace: string;
  /** Name of its ConfigMap and of its webhook configuration: the release's, or what it was overridden with. */
  readonly name: string;
}

/** What admission knows, as far as the user may read it. */
export interface Facts {
  readonly index: RewriteIndex;
  readonly images: readonly AcceleratedImage[];
  /** None where they may not be listed. */
  readonly nodes: readonly Node[];
  readonly namespaces: ReadonlyMap<string, Namespace>;
  /** Those of the namespaces that do not exist. */
  readonly missing: ReadonlySet<string>;
  /** How the API server asks the operator. */
  readonly webhook: MutatingWebhookConfiguration | 'Missing' | 'Forbidden';
  readonly gaps: readonly Gap[];
}

/**
 * Reads what admission knows about the Pods of some namespaces. What may not be read is left out (nodes, AcceleratedImages
 * of the operator's namespace) or taken to be as the chart makes it (the rest), and is on the reader's list.
 * @param known the operator's configuration, where it need not be read from its ConfigMap
 * @throws Error when the operator is not there, or the AcceleratedImages of a Pod's namespace may not be read
 */
export async function gatherFacts(
  reader: Reader,
  operator: Operator,
  names: readonly string[],
  known?: Config,
): Promise<Facts> {
  const config = known === undefined ? await readConfig(reader, operator) : rewriteConfig(known, operator.namespace);
  const index = new RewriteIndex(config);
  const images = await readImages(reader, operator, names);
  for (const image of images) {
    index.upsertImage(image);
  }
  const missing = new Set<string>();
  const found = new Map<string, Namespace>();
  for (const name of names) {
    const namespace = await readNamespace(reader, name);
    if (namespace === 'Missing') {
      missing.add(name);
    }
    found.set(name, typeof namespace === 'string' ? newNamespace(name) : namespace);
  }
  for (const namespace of found.values()) {
    index.upsertNamespace(namespace);
  }
  const listed = await fillNodes(reader, index);
  await fillRuntimeClass(reader, config, index);
  const webhook = await reader.get(mutatingWebhookConfigurations, operator, {
    right: `get mutatingwebhookconfiguration ${operator.name}`,
    unknown: 'whether the API server asks Slipstream about the Pod; it is taken to',
  });
  return { index, images, nodes: listed, namespaces: found, missing, webhook, gaps: reader.gaps };
}

async function readConfig(reader: Reader, operator: Operator): Promise<RewriteConfig> {
  const where = `ConfigMap ${operator.namespace}/${operator.name}`;
  const found = await reader.get(configMaps, operator, {
    right: `get configmap ${operator.name} in namespace ${operator.namespace}`,
    unknown: "the operator's configuration; it is taken to be the chart's defaults",
  });
  if (found === 'Forbidden') {
    const defaults = Config.pick({ runtimeHandler: true, runtimeClassName: true, rewriting: true }).parse({});
    return rewriteConfig(defaults, operator.namespace);
  }
  const text = found === 'Missing' ? undefined : found.data?.['config.yaml'];
  if (text === undefined) {
    throw new Error(
      `there is no ${where} with the operator's configuration: name the namespace and the release that Slipstream is ` +
        'installed as with --operator-namespace and --operator-name',
    );
  }
  return rewriteConfig(parseConfig(text, where), operator.namespace);
}

async function readImages(
  reader: Reader,
  operator: Operator,
  names: readonly string[],
): Promise<readonly AcceleratedImage[]> {
  const images: AcceleratedImage[] = [];
  for (const namespace of new Set([...names, operator.namespace])) {
    const right = `list acceleratedimages in namespace ${namespace}`;
    const found = await reader.list(acceleratedImages, namespace, {
      right,
      unknown: `whether an AcceleratedImage of the namespace ${namespace} names an image`,
      masks: SkipReason.NoAcceleratedImage,
    });
    if (found === 'Missing') {
      throw new Error('the API server does not know the kind AcceleratedImage: install Slipstream');
    }
    if (found === 'Forbidden' && names.includes(namespace)) {
      throw new Error(`you may not ${right}, and without that nothing can be told: ask for that right`);
    }
    images.push(...(found === 'Forbidden' ? [] : found));
  }
  return images;
}

function readNamespace(reader: Reader, name: string): Promise<Namespace | 'Missing' | 'Forbidden'> {
  return reader.get(
    namespaces,
    { name },
    {
      right: `get namespace ${name}`,
      unknown: `the labels of the Namespace ${name}, by which it may have opted out; it is taken not to`,
      namespace: name,
    },
  );
}

async function fillNodes(reader: Reader, index: RewriteIndex): Promise<readonly Node[]> {
  const found = await reader.list(nodes, undefined, {
    right: 'list nodes',
    unknown: 'whether a node that the Pod may run on has Nydus, and of which platform it is',
    masks: SkipReason.NoCapableNode,
  });
  const listed = typeof found === 'string' ? [] : found;
  for (const node of listed) {
    index.upsertNode(node);
  }
  return listed;
}

async function fillRuntimeClass(reader: Reader, config: RewriteConfig, index: RewriteIndex): Promise<void> {
  const name = config.runtimeClassName;
  if (name === '') {
    return;
  }
  const found = await reader.get(
    runtimeClasses,
    { name },
    {
      right: `get runtimeclass ${name}`,
      unknown: `whether there is a RuntimeClass ${name}; it is taken to be the chart's`,
    },
  );
  if (found === 'Forbidden') {
    const scheduling = { nodeSelector: { [NODE_CAPABLE_LABEL]: 'true' } };
    index.upsertRuntimeClass({ metadata: { name }, handler: config.runtimeHandler, scheduling });
  } else if (found !== 'Missing') {
    index.upsertRuntimeClass(found);
  }
}

/** As the API server makes one: with the label that webhooks select by. */
function newNamespace(name: string): Namespace {
  return { metadata: { name, labels: { 'kubernetes.io/metadata.name': name } } };
}
