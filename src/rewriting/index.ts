import type { AcceleratedImage } from '../api/v1alpha1/acceleratedimage.ts';
import { REWRITE_DISABLED, REWRITE_LABEL } from '../api/v1alpha1/labels.ts';
import type { Namespace, Node, RuntimeClass } from '../kube/resources.ts';
import type { Reference } from '../registry/reference.ts';
import type { Candidate } from './candidates.ts';
import type { RewriteConfig } from './config.ts';
import { ImageIndex } from './images.ts';
import { fieldsOf, stringMapOf } from './json.ts';
import { NodeIndex, type Landing, type NodeConstraints } from './nodes.ts';
import { tolerationsOf, type Toleration } from './taints.ts';

/** The configured RuntimeClass, as it is in the cluster. */
export interface RuntimeClassFacts {
  readonly name: string;
  readonly handler: string;
  /** What the API server's RuntimeClass plugin merges into a Pod that names the class. */
  readonly nodeSelector: ReadonlyMap<string, string>;
  readonly tolerations: readonly Toleration[];
}

/** Whether a Namespace opted out; `Unknown` for one that the watch has not told of. */
export type NamespaceState = 'Included' | 'OptedOut' | 'Unknown';

/**
 * Everything that a decision about a Pod reads, kept in memory: the AcceleratedImages by the images that Pods name, the
 * nodes, the Namespaces that opted out and the RuntimeClass. Filled by the changes that informers report, in any order and
 * as often as they like; memory is O(objects), a lookup is O(1).
 */
export class RewriteIndex {
  readonly config: RewriteConfig;
  readonly #images = new ImageIndex();
  readonly #nodes: NodeIndex;
  readonly #namespaces = new Map<string, boolean>();
  #runtimeClass: RuntimeClassFacts | undefined;

  constructor(config: RewriteConfig) {
    this.config = config;
    this.#nodes = new NodeIndex(config.runtimeHandler);
  }

  upsertImage(image: AcceleratedImage): void {
    this.#images.upsert(image);
  }

  deleteImage({ metadata }: AcceleratedImage): void {
    this.#images.delete(metadata.namespace, metadata.name);
  }

  upsertNode(node: Node): void {
    this.#nodes.upsert(node);
  }

  deleteNode({ metadata }: Node): void {
    this.#nodes.delete(metadata.name);
  }

  upsertNamespace({ metadata }: Namespace): void {
    this.#namespaces.set(metadata.name, metadata.labels?.[REWRITE_LABEL] === REWRITE_DISABLED);
  }

  deleteNamespace({ metadata }: Namespace): void {
    this.#namespaces.delete(metadata.name);
  }

  /** Takes the configured RuntimeClass; any other is passed over. */
  upsertRuntimeClass({ metadata, handler, scheduling }: RuntimeClass): void {
    if (metadata.name === this.config.runtimeClassName) {
      this.#runtimeClass = {
        name: metadata.name,
        handler,
        nodeSelector: stringMapOf(fieldsOf(scheduling)['nodeSelector']),
        tolerations: tolerationsOf(fieldsOf(scheduling)['tolerations']),
      };
    }
  }

  deleteRuntimeClass({ metadata }: RuntimeClass): void {
    if (metadata.name === this.config.runtimeClassName) {
      this.#runtimeClass = undefined;
    }
  }

  /** How many objects it holds, for metrics. */
  get sizes(): { readonly images: number; readonly nodes: number; readonly namespaces: number } {
    return { images: this.#images.size, nodes: this.#nodes.size, namespaces: this.#namespaces.size };
  }

  namespaceState(name: string): NamespaceState {
    const optedOut = this.#namespaces.get(name);
    return optedOut === undefined ? 'Unknown' : optedOut ? 'OptedOut' : 'Included';
  }

  /**
   * The AcceleratedImages that decide about an image in a namespace, the preferred one first. A namespace's own objects win,
   * whatever they say; only where there is none do those of the operator's namespace count.
   */
  lookup(reference: Reference, namespace: string): readonly Candidate[] {
    const own = this.#images.find(namespace, reference);
    return own.length > 0 ? own : this.#images.find(this.config.operatorNamespace, reference);
  }

  /** The AcceleratedImage in reach of a namespace whose artifact an image is: a Pod that names it was rewritten, or copied. */
  lookupArtifact(reference: Reference, namespace: string): Candidate | undefined {
    return (
      this.#images.findArtifact(namespace, reference) ??
      this.#images.findArtifact(this.config.operatorNamespace, reference)
    );
  }

  /** Every AcceleratedImage, in no order. */
  candidates(): Iterable<Candidate> {
    return this.#images.candidates();
  }

  /** The RuntimeClass to set; undefined while it does not exist or has another handler than the configured one. */
  get runtimeClass(): RuntimeClassFacts | undefined {
    return this.#runtimeClass?.handler === this.config.runtimeHandler ? this.#runtimeClass : undefined;
  }

  /** Sums up the nodes that a Pod may land on once it is rewritten. */
  landing(constraints: NodeConstraints): Landing {
    const runtimeClass = this.runtimeClass;
    if (runtimeClass === undefined) {
      return this.#nodes.landing(constraints, NO_LABELS);
    }
    const { nodeSelector, tolerations } = runtimeClass;
    const merged = { ...constraints, tolerations: [...constraints.tolerations, ...tolerations] };
    return this.#nodes.landing(merged, nodeSelector);
  }
}

const NO_LABELS: ReadonlyMap<string, string> = new Map();
