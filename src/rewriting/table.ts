import {
  MAX_EXCEPTIONS,
  MAX_TABLE_IMAGES,
  type Restriction,
  type RewriteTableEntry,
  type RewriteTableSpec,
} from '../api/v1alpha1/rewritetable.ts';
import type { Candidate } from './candidates.ts';
import { usesRuntimeClass } from './check.ts';
import { decidePlacement } from './decide.ts';
import type { RewriteIndex } from './index.ts';

/**
 * How long an entry counts without being confirmed, in milliseconds. The API server goes on with what it was last told, so a
 * table has to run out by itself when the operator does not run, as the webhook's answers do.
 */
export const TABLE_LEASE_MS = 600_000;

/** A table for the API server, and what had no place in it. */
export interface RewriteTableDraft {
  /** Undefined where there is nothing to rewrite. */
  readonly spec: RewriteTableSpec | undefined;
  /** Images that were left out because a bound of the kind would be passed. */
  readonly leftOut: number;
}

/**
 * What Pods may have that CEL cannot hold against the cluster's nodes. Each is tried at its widest: tolerations of every
 * taint, and a claim that may be bound anywhere. More tolerations only let a Pod land on more nodes, so whatever is decided
 * about a Pod without any and about one with all of them holds for those between.
 */
const PROBES: ReadonlyMap<Restriction, object> = new Map([
  ['Tolerations', { tolerations: [{ operator: 'Exists' }] }],
  ['Claims', { tolerations: [{ operator: 'Exists' }], volumes: [{ persistentVolumeClaim: {} }] }],
]);

/**
 * What the API server is to rewrite in a namespace, and, of the operator's namespace, in every namespace: the images for
 * which admission would rewrite a Pod that constrains nothing now. Pure.
 */
export function rewriteTable(namespace: string, index: RewriteIndex, now: Date): RewriteTableDraft {
  const everywhere = namespace === index.config.operatorNamespace;
  const candidates = [...index.candidates()];
  const owners = everywhere ? ownersOf(candidates, namespace) : undefined;
  const keys = new Set(candidates.filter((each) => each.namespace === namespace).flatMap((each) => each.keys));
  const images = [...keys].toSorted().flatMap((key) => {
    const entry = entryOf(key, everywhere ? '' : namespace, index, now);
    const exceptNamespaces = [...(owners?.get(ownershipOf(key)) ?? [])].toSorted();
    return entry === undefined
      ? []
      : [[key, exceptNamespaces.length > 0 ? { ...entry, exceptNamespaces } : entry] as const];
  });
  const usable = images.filter(([, { exceptNamespaces = [] }]) => exceptNamespaces.length <= MAX_EXCEPTIONS);
  const kept = usable.slice(0, MAX_TABLE_IMAGES);
  const leftOut = images.length - kept.length;
  if (kept.length === 0) {
    return { spec: undefined, leftOut };
  }
  const ownerKinds = [...index.config.ownerKinds];
  return { spec: { images: Object.fromEntries(kept), ownerKinds, ...runtimeClassOf(index) }, leftOut };
}

function entryOf(key: string, namespace: string, index: RewriteIndex, now: Date): RewriteTableEntry | undefined {
  const probe = (constraints: object = {}): ReturnType<typeof decidePlacement> => {
    const pod = { spec: { ...constraints, containers: [{ name: 'probe', image: key }] } };
    return decidePlacement(pod, namespace, index, now);
  };
  const { rewrites, pullSecrets } = probe();
  const [rewrite] = rewrites;
  if (rewrite === undefined) {
    return undefined;
  }
  const notFor = [...PROBES]
    // Tolerations may lead into other regions too, whose Pods run another copy.
    .filter(([, constraints]) => probe(constraints).rewrites[0]?.image !== rewrite.image)
    .map(([name]) => name);
  const [pullSecret] = pullSecrets;
  return {
    image: rewrite.image,
    validUntil: secondsOf(Math.min(rewrite.goodUntil, now.getTime() + TABLE_LEASE_MS)),
    ...(pullSecret === undefined ? {} : { pullSecret }),
    ...(notFor.length === 0 ? {} : { notFor }),
  };
}

/** As Kubernetes writes times; rounded down, so that nothing counts for longer than it may. */
function secondsOf(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/** The namespaces other than the operator's whose own objects decide about images. */
function ownersOf(
  candidates: readonly Candidate[],
  operatorNamespace: string,
): ReadonlyMap<string, ReadonlySet<string>> {
  const owners = new Map<string, Set<string>>();
  for (const { namespace, keys } of candidates) {
    if (namespace === operatorNamespace) {
      continue;
    }
    for (const place of new Set(keys.flatMap((key) => [key, repositoryOf(key)]))) {
      const namespaces = owners.get(place) ?? new Set();
      owners.set(place, namespaces.add(namespace));
    }
  }
  return owners;
}

/**
 * What a namespace's own object must name to decide about an image. A Pod may give a tag beside a digest, by which an object
 * of another digest decides too: so about a digest, any object of the repository does.
 */
function ownershipOf(key: string): string {
  return key.includes('@') ? repositoryOf(key) : key;
}

/** The repository of an image's key; none is a key itself. */
function repositoryOf(key: string): string {
  const [named = ''] = key.split('@');
  const tag = named.indexOf(':', named.lastIndexOf('/'));
  return tag === -1 ? named : named.slice(0, tag);
}

function runtimeClassOf({ config, runtimeClass }: RewriteIndex): Pick<RewriteTableSpec, 'runtimeClass'> {
  if (!usesRuntimeClass(config) || runtimeClass === undefined) {
    return {};
  }
  const { name, handler, nodeSelector } = runtimeClass;
  return { runtimeClass: { name, handler, nodeSelector: Object.fromEntries(nodeSelector) } };
}
