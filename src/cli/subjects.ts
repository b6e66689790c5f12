import { loadAll } from 'js-yaml';
import { fieldsOf, isObject, itemsOf, textOf } from '../rewriting/json.ts';

/** What is explained: a Pod, or the next Pod of a workload. */
export interface Subject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** v1.Pod, or v1.PodTemplateSpec with the owner that its Pods will have. */
  readonly pod: object;
  /** Whether it is a Pod that exists, so that admission and the scheduler have changed it. */
  readonly exists: boolean;
}

/** Where a workload has its template, and who will own the Pods; itself unless said. */
interface Workload {
  readonly template: readonly string[];
  readonly owner?: { readonly apiVersion: string; readonly kind: string };
}

const TEMPLATE = { template: ['spec', 'template'] };

/** The built-in workloads by `Kind.group`. */
const WORKLOADS: ReadonlyMap<string, Workload> = new Map<string, Workload>([
  ['Deployment.apps', { ...TEMPLATE, owner: { apiVersion: 'apps/v1', kind: 'ReplicaSet' } }],
  ['ReplicaSet.apps', TEMPLATE],
  ['StatefulSet.apps', TEMPLATE],
  ['DaemonSet.apps', TEMPLATE],
  ['Job.batch', TEMPLATE],
  [
    'CronJob.batch',
    { template: ['spec', 'jobTemplate', 'spec', 'template'], owner: { apiVersion: 'batch/v1', kind: 'Job' } },
  ],
  ['ReplicationController', TEMPLATE],
]);

/** Namespace of what names none. */
export interface Namespaces {
  /** Asked for: what names another one is an error, as with kubectl. */
  readonly wanted: string | undefined;
  readonly fallback: string;
}

/**
 * The Pods and workloads of manifests: YAML or JSON, one or several documents, Lists too. Objects of other kinds are passed
 * over.
 * @param from where the text is from, for errors
 * @throws Error when it cannot be parsed, holds nothing to explain, or names another namespace than the one asked for
 */
export function parseSubjects(text: string, from: string, namespaces: Namespaces): readonly Subject[] {
  let documents: unknown[];
  try {
    documents = loadAll(text);
  } catch (error) {
    throw new Error(`${from} is not YAML: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const subjects = documents.flatMap(itemsOfList).flatMap((object) => subjectOf(object, from, namespaces) ?? []);
  if (subjects.length === 0) {
    const kinds = ['Pod', ...WORKLOADS.keys()].map((kind) => kind.split('.')[0]).join(', ');
    throw new Error(`${from} holds nothing to explain: no ${kinds}`);
  }
  return subjects;
}

/** A Pod as the API server returned it. */
export function existingPod(pod: object): Subject {
  const { name, namespace } = fieldsOf(fieldsOf(pod)['metadata']);
  return { kind: 'Pod', namespace: textOf(namespace) ?? '', name: textOf(name) ?? '', pod, exists: true };
}

function itemsOfList(document: unknown): readonly unknown[] {
  const { kind, items } = fieldsOf(document);
  return textOf(kind)?.endsWith('List') === true ? itemsOf(items) : [document];
}

function subjectOf(object: unknown, from: string, { wanted, fallback }: Namespaces): Subject | undefined {
  const { apiVersion, kind, metadata } = fieldsOf(object);
  const { name, generateName, namespace, uid } = fieldsOf(metadata);
  const groupKind = groupKindOf(textOf(apiVersion) ?? '', textOf(kind) ?? '');
  const workload = WORKLOADS.get(groupKind);
  if (!isObject(object) || (groupKind !== 'Pod' && workload === undefined)) {
    return undefined;
  }
  const own = textOf(namespace);
  const what = `${textOf(kind)} ${textOf(name) ?? textOf(generateName) ?? ''}`;
  if (own !== undefined && wanted !== undefined && own !== wanted) {
    throw new Error(`${from}: ${what} names the namespace ${own}, not ${wanted}; leave --namespace out`);
  }
  const pod = workload === undefined ? object : templateOf(object, workload);
  if (itemsOf(fieldsOf(fieldsOf(pod)['spec'])['containers']).length === 0) {
    throw new Error(`${from}: ${what} has no containers; name them in the Pod's spec`);
  }
  return {
    kind: textOf(kind) ?? '',
    namespace: own ?? wanted ?? fallback,
    name: textOf(name) ?? textOf(generateName) ?? '',
    pod,
    // Only what came out of a cluster has one.
    exists: workload === undefined && textOf(uid) !== undefined,
  };
}

/** The template, owned by what will create its Pods. */
function templateOf(object: Readonly<Record<string, unknown>>, { template, owner }: Workload): object {
  const found = fieldsOf(template.reduce<unknown>((value, field) => fieldsOf(value)[field], object));
  const { apiVersion, kind, metadata } = object;
  const reference = { ...(owner ?? { apiVersion, kind }), name: fieldsOf(metadata)['name'], controller: true };
  return { ...found, metadata: { ...fieldsOf(found['metadata']), ownerReferences: [reference] } };
}

function groupKindOf(apiVersion: string, kind: string): string {
  const [group, version] = apiVersion.split('/');
  return version === undefined ? kind : `${kind}.${group}`;
}
