import {
  ORIGINAL_IMAGES_ANNOTATION,
  REWRITE_DISABLED,
  REWRITE_LABEL,
  RUNTIME_HANDLER_ANNOTATION,
} from '../api/v1alpha1/labels.ts';
import { requiredTerms } from './affinity.ts';
import { devicesOf } from './devices.ts';
import { referenceOf } from './candidates.ts';
import { fieldsOf, isObject, itemsOf, stringMapOf, textOf } from './json.ts';
import type { NodeConstraints } from './nodes.ts';
import { tolerationsOf } from './taints.ts';

/** The lists of a Pod's spec that hold containers. */
export type ContainerList = 'initContainers' | 'containers' | 'ephemeralContainers';

/** What is read of one container. */
export interface ContainerFacts {
  readonly list: ContainerList;
  /** Place in its list. */
  readonly index: number;
  readonly name: string;
  readonly image: string;
  readonly pulledNever: boolean;
}

/** The controller that owns a Pod. */
export interface OwnerFacts {
  readonly apiVersion: string;
  /** Of the apiVersion; empty for the core group. */
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  /** Empty where the reference has none: a template's owner may not exist yet. */
  readonly uid: string;
}

/** What is read of a Pod, from whatever JSON came in. */
export interface PodFacts {
  readonly mirror: boolean;
  readonly optedOut: boolean;
  readonly owner: OwnerFacts | undefined;
  readonly hasMetadata: boolean;
  readonly annotations: ReadonlyMap<string, string>;
  readonly hasAnnotations: boolean;
  readonly containers: readonly ContainerFacts[];
  /** Container name → reference before a rewrite, for the containers that run something else now. */
  readonly originals: ReadonlyMap<string, string>;
  readonly runtimeClassName: string | undefined;
  readonly runtimeHandler: string | undefined;
  readonly nodeSelector: ReadonlyMap<string, string>;
  readonly hasNodeSelector: boolean;
  readonly pullSecrets: readonly string[];
  readonly hasPullSecrets: boolean;
  /** Kind of a claim of the Pod, which may be bound to some nodes only. */
  readonly claim: 'PersistentVolumeClaim' | 'ResourceClaim' | undefined;
  readonly userNamespaced: boolean;
  readonly constraints: NodeConstraints;
}

/** Set by the kubelet on the API server's picture of a static Pod. */
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

/** Reads a Pod or a Pod template. Total: what is missing or of another type reads as absent. */
export function readPod(pod: unknown): PodFacts {
  const metadata = fieldsOf(fieldsOf(pod)['metadata']);
  const spec = fieldsOf(fieldsOf(pod)['spec']);
  const annotations = stringMapOf(metadata['annotations']);
  const nodeSelector = stringMapOf(spec['nodeSelector']);
  const containers = (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    itemsOf(spec[list]).map((container, index) => readContainer(list, index, container)),
  );
  return {
    mirror: annotations.has(MIRROR_ANNOTATION),
    optedOut: fieldsOf(metadata['labels'])[REWRITE_LABEL] === REWRITE_DISABLED,
    owner: readOwner(metadata['ownerReferences']),
    annotations,
    hasMetadata: isObject(fieldsOf(pod)['metadata']),
    hasAnnotations: isObject(metadata['annotations']),
    containers,
    originals: readOriginals(annotations.get(ORIGINAL_IMAGES_ANNOTATION), containers),
    runtimeClassName: textOf(spec['runtimeClassName']),
    runtimeHandler: textOf(annotations.get(RUNTIME_HANDLER_ANNOTATION)),
    nodeSelector,
    hasNodeSelector: isObject(spec['nodeSelector']),
    pullSecrets: itemsOf(spec['imagePullSecrets']).flatMap((secret) => textOf(fieldsOf(secret)['name']) ?? []),
    hasPullSecrets: Array.isArray(spec['imagePullSecrets']),
    claim: readClaim(spec),
    userNamespaced: spec['hostUsers'] === false,
    constraints: {
      nodeName: textOf(spec['nodeName']),
      nodeSelector: [...nodeSelector],
      terms: requiredTerms(spec['affinity']),
      tolerations: tolerationsOf(spec['tolerations']),
      os: textOf(fieldsOf(spec['os'])['name']),
      devices: [...devicesOf(spec)],
    },
  };
}

function readContainer(list: ContainerList, index: number, value: unknown): ContainerFacts {
  const { name, image, imagePullPolicy } = fieldsOf(value);
  return {
    list,
    index,
    name: textOf(name) ?? '',
    image: textOf(image) ?? '',
    pulledNever: imagePullPolicy === 'Never',
  };
}

function readOwner(references: unknown): OwnerFacts | undefined {
  const owner = itemsOf(references)
    .map((reference) => fieldsOf(reference))
    .find((reference) => reference['controller'] === true);
  if (owner === undefined) {
    return undefined;
  }
  const apiVersion = textOf(owner['apiVersion']) ?? '';
  const [group, version] = apiVersion.split('/');
  return {
    apiVersion,
    // The core group has none: `v1`.
    group: version === undefined ? '' : (group ?? ''),
    kind: textOf(owner['kind']) ?? '',
    name: textOf(owner['name']) ?? '',
    uid: textOf(owner['uid']) ?? '',
  };
}

/** A generic ephemeral volume is a claim that is made together with the Pod. */
function readClaim(spec: Readonly<Record<string, unknown>>): PodFacts['claim'] {
  const volumes = itemsOf(spec['volumes']).map((volume) => fieldsOf(volume));
  if (volumes.some((volume) => isObject(volume['persistentVolumeClaim']) || isObject(volume['ephemeral']))) {
    return 'PersistentVolumeClaim';
  }
  return itemsOf(spec['resourceClaims']).length > 0 ? 'ResourceClaim' : undefined;
}

/**
 * The annotation is a person's too: it may be copied from another Pod or hold anything. Only what fits this Pod counts: the
 * container runs something pinned by digest, as every artifact is, in place of a reference that a Pod may name.
 */
function readOriginals(text: string | undefined, containers: readonly ContainerFacts[]): ReadonlyMap<string, string> {
  const recorded = text === undefined ? new Map<string, string>() : stringMapOf(parseJSON(text));
  const originals = new Map<string, string>();
  for (const { name, image } of containers) {
    const original = recorded.get(name);
    const pinned = referenceOf(image)?.digest !== undefined;
    if (original !== undefined && original !== image && pinned && referenceOf(original) !== undefined) {
      originals.set(name, original);
    }
  }
  return originals;
}

function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
