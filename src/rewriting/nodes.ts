import { NODE_CAPABLE_LABEL, REGION_LABEL } from '../api/v1alpha1/labels.ts';
import type { Node } from '../kube/resources.ts';
import { matchesTerm, namesOf, type Term } from './affinity.ts';
import { offeredBy, offers, type Devices } from './devices.ts';
import { fieldsOf, isObject, itemsOf, stringMapOf, textOf } from './json.ts';
import { nodePlatform } from './platforms.ts';
import { isPassing, taintsOf, toleratesAll, UNSCHEDULABLE, type Taint, type Toleration } from './taints.ts';

/** What is read of a Node. */
export interface NodeFacts {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** `os/architecture`. */
  readonly platform: string;
  /** Its kubelet reports the configured runtime handler (KEP-3857, `status.runtimeHandlers`). */
  readonly hasHandler: boolean;
  readonly ready: boolean;
  readonly taints: readonly Taint[];
  /** Those of the taints that say what the node is for, rather than what state it is in. */
  readonly lastingTaints: readonly Taint[];
  /** Undefined where the node does not say: then it is taken to have them all. */
  readonly devices: Devices | undefined;
}

/** Where a Pod's own spec lets it run. Plain JSON: it is the key of the cache too. */
export interface NodeConstraints {
  readonly nodeName: string | undefined;
  readonly nodeSelector: readonly (readonly [key: string, value: string])[];
  /** Required node affinity: one term must hold; undefined requires nothing. */
  readonly terms: readonly Term[] | undefined;
  readonly tolerations: readonly Toleration[];
  /** `spec.os.name`. */
  readonly os: string | undefined;
  readonly devices: readonly (readonly [name: string, count: number])[];
}

/** The nodes that a Pod may land on, summed up. */
export interface Landing {
  /** Capable nodes that would take the Pod now: Ready, labelled, not cordoned, every taint tolerated, with its devices. */
  readonly usable: number;
  /** Platforms of the nodes with the handler that its constraints allow, whatever state they are in. */
  readonly platforms: ReadonlySet<string>;
  /** Region of these nodes, whatever state they are in; undefined where they are of several, or one of them is of none. */
  readonly region: string | undefined;
  /** A node that its constraints allow and that lacks the handler, or that the RuntimeClass excludes for good. */
  readonly incapable: string | undefined;
}

/** Different constraints that are remembered; the workloads of a cluster share few. */
const CACHE_SIZE = 2048;

/**
 * The cluster's nodes. Questions about the same constraints are answered once until a node changes in what matters here, so
 * that an admission does not cost a walk over all nodes.
 */
export class NodeIndex {
  readonly #handler: string;
  readonly #nodes = new Map<string, NodeFacts>();
  readonly #landings = new Map<string, Landing>();

  /** @param handler runtime handler that makes a node capable */
  constructor(handler: string) {
    this.#handler = handler;
  }

  get size(): number {
    return this.#nodes.size;
  }

  upsert(node: unknown): void {
    const facts = readNode(node, this.#handler);
    const before = this.#nodes.get(facts.name);
    if (before !== undefined && signatureOf(before) === signatureOf(facts)) {
      // A heartbeat.
      return;
    }
    this.#nodes.set(facts.name, facts);
    this.#landings.clear();
  }

  delete(name: string): void {
    this.#nodes.delete(name);
    this.#landings.clear();
  }

  /**
   * Sums up the nodes that `constraints` allow.
   * @param classSelector labels that a node needs beside the handler to be capable: the RuntimeClass's nodeSelector
   */
  landing(constraints: NodeConstraints, classSelector: ReadonlyMap<string, string>): Landing {
    const pinned = pinnedNames(constraints);
    if (pinned !== undefined) {
      const nodes = pinned.flatMap((name) => this.#nodes.get(name) ?? []);
      return summarise(nodes, constraints, classSelector);
    }
    const key = JSON.stringify([constraints, [...classSelector]]);
    const known = this.#landings.get(key);
    if (known !== undefined) {
      return known;
    }
    const landing = summarise(this.#nodes.values(), constraints, classSelector);
    if (this.#landings.size >= CACHE_SIZE) {
      this.#landings.clear();
    }
    this.#landings.set(key, landing);
    return landing;
  }
}

/**
 * Whether the node can run Nydus images: its kubelet reports the runtime handler. Undefined while it does not say: a node
 * that is not Ready may leave its handlers out, as a kubelet may that starts and has not asked its runtime yet. (The scheduler
 * keeps Pods from it anyway.)
 */
export function capability(node: Node, handler: string): boolean | undefined {
  const { hasHandler, ready } = readNode(node, handler);
  return hasHandler || (ready ? false : undefined);
}

function readNode(node: unknown, handler: string): NodeFacts {
  const metadata = fieldsOf(fieldsOf(node)['metadata']);
  const spec = fieldsOf(fieldsOf(node)['spec']);
  const status = fieldsOf(fieldsOf(node)['status']);
  const info = fieldsOf(status['nodeInfo']);
  const taints = taintsOf(spec['taints']);
  return {
    name: textOf(metadata['name']) ?? '',
    labels: stringMapOf(metadata['labels']),
    platform: nodePlatform(
      `${textOf(info['operatingSystem']) ?? 'unknown'}/${textOf(info['architecture']) ?? 'unknown'}`,
    ),
    hasHandler: itemsOf(status['runtimeHandlers']).some((item) => fieldsOf(item)['name'] === handler),
    ready: itemsOf(status['conditions'])
      .map((condition) => fieldsOf(condition))
      .some((condition) => condition['type'] === 'Ready' && condition['status'] === 'True'),
    taints: spec['unschedulable'] === true ? [...taints, UNSCHEDULABLE] : taints,
    lastingTaints: taints.filter((taint) => !isPassing(taint)),
    devices: isObject(status['allocatable']) ? offeredBy(status['allocatable']) : undefined,
  };
}

function signatureOf(facts: NodeFacts): string {
  return JSON.stringify({ ...facts, labels: [...facts.labels], devices: [...(facts.devices ?? [])] });
}

/** The nodes that the Pod is bound to by name, as DaemonSet Pods are: no other need be looked at. */
function pinnedNames({ nodeName, terms }: NodeConstraints): readonly string[] | undefined {
  if (nodeName !== undefined) {
    return [nodeName];
  }
  const named = terms?.map((term) => namesOf(term));
  return named?.every((names) => names !== undefined) ? [...new Set(named.flat())] : undefined;
}

function summarise(
  nodes: Iterable<NodeFacts>,
  constraints: NodeConstraints,
  classSelector: ReadonlyMap<string, string>,
): Landing {
  // The capable label comes and goes with the node's readiness.
  const lasting = new Map([...classSelector].filter(([key]) => key !== NODE_CAPABLE_LABEL));
  const platforms = new Set<string>();
  const regions = new Set<string | undefined>();
  let usable = 0;
  let incapable: string | undefined;
  for (const node of nodes) {
    if (!isAllowed(node, constraints)) {
      continue;
    }
    if (!node.hasHandler || !hasLabels(node, lasting)) {
      incapable ??= node.name;
      continue;
    }
    platforms.add(node.platform);
    regions.add(node.labels.get(REGION_LABEL));
    if (node.ready && hasLabels(node, classSelector) && takes(node, constraints)) {
      usable += 1;
    }
  }
  const [region] = regions.size === 1 ? regions : [];
  return { usable, platforms, region, incapable };
}

/** Whether the Pod may run on the node in some state of it: a node that is only cordoned or not Ready may take it later. */
function isAllowed(node: NodeFacts, { nodeName, nodeSelector, terms, tolerations, os }: NodeConstraints): boolean {
  return (
    (nodeName === undefined || nodeName === node.name) &&
    (os === undefined || node.platform.startsWith(`${os}/`)) &&
    nodeSelector.every(([key, value]) => node.labels.get(key) === value) &&
    (terms === undefined || terms.some((term) => matchesTerm(term, node.name, node.labels))) &&
    toleratesAll(tolerations, node.lastingTaints)
  );
}

/** Whether a node that the Pod may run on would take it in its present state, if nothing else ran there. */
function takes(node: NodeFacts, { tolerations, devices }: NodeConstraints): boolean {
  return toleratesAll(tolerations, node.taints) && (node.devices === undefined || offers(node.devices, devices));
}

function hasLabels(node: NodeFacts, labels: ReadonlyMap<string, string>): boolean {
  for (const [key, value] of labels) {
    if (node.labels.get(key) !== value) {
      return false;
    }
  }
  return true;
}
