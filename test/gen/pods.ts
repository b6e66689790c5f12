import type { Random } from './random.ts';

/** Any JSON object: what comes in need not be a Pod. */
export type Json = Record<string, unknown>;

/** What generated Pods name. */
export interface Names {
  images: readonly [string, ...string[]];
  /** Labels, as node selectors name them. */
  labels: readonly [readonly [string, string], ...(readonly [string, string])[]];
  nodes: readonly [string, ...string[]];
}

const ANNOTATION_KEYS = ['team', 'a.b/c', 'x.io/tilde-0_1', 'io.containerd.cri.runtime-handler'] as const;
const ORIGINALS = 'slipstream.dev/original-images';

/** A Pod that the API server takes, of the parts that matter to admission, and a few that do not. */
export function validPod(random: Random, { images, labels, nodes }: Names): Json {
  const maybe = (probability: number, fields: () => Json): Json => (random.chance(probability) ? fields() : {});
  const container = (name: string): Json => ({
    name,
    image: random.pick(images),
    ...maybe(0.3, () => ({ imagePullPolicy: random.pick(['Always', 'IfNotPresent', 'Never']) })),
    ...maybe(0.2, () => ({ env: [{ name: 'A', value: random.pick(['', 'ä€😀', '~0/~1', '"\\']) }] })),
    ...maybe(0.2, () => ({
      resources: random.pick<Json>([{ requests: { cpu: '10m', memory: '1Mi' } }, { limits: { 'x.io/gpu': '1' } }]),
    })),
  });
  const several = (prefix: string, most: number): Json[] =>
    Array.from({ length: 1 + random.int(most) }, (_, index) => container(`${prefix}${index}`));
  const selector = (): Json => Object.fromEntries(times(random, 2, () => random.pick(labels)));
  const [key, value] = random.pick(labels);
  const expression = {
    key,
    ...random.pick<Json>([
      { operator: 'In', values: [value] },
      { operator: 'NotIn', values: [value] },
      { operator: 'Exists' },
      { operator: 'DoesNotExist' },
      { operator: 'Gt', values: ['1'] },
    ]),
  };
  const term = random.pick<Json>([
    { matchExpressions: [expression] },
    { matchFields: [{ key: 'metadata.name', operator: 'In', values: [random.pick(nodes)] }] },
    {
      matchExpressions: [expression],
      matchFields: [{ key: 'metadata.name', operator: 'NotIn', values: [random.pick(nodes)] }],
    },
  ]);
  const containers = several('c', 3);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'fuzz-',
      ...maybe(0.3, () => ({
        labels: { app: 'web', ...maybe(0.1, () => ({ 'slipstream.dev/rewrite': 'disabled' })) },
      })),
      ...maybe(0.4, () => ({ annotations: annotations(random, containers) })),
      ...maybe(0.3, () => ({ ownerReferences: [owner(random)] })),
    },
    spec: {
      containers,
      ...maybe(0.3, () => ({ initContainers: several('i', 2) })),
      ...maybe(0.3, () => ({ nodeSelector: selector() })),
      ...maybe(0.15, () => ({ nodeName: random.pick(nodes) })),
      ...maybe(0.2, () => ({
        affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } } },
      })),
      ...maybe(0.3, () => ({ tolerations: times(random, 2, () => toleration(random)) })),
      ...maybe(0.2, () => ({ volumes: [volume(random)] })),
      ...maybe(0.2, () => ({ imagePullSecrets: times(random, 3, () => ({ name: random.pick(['pull', 'own']) })) })),
      ...maybe(0.15, () => ({ runtimeClassName: 'nydus' })),
      ...maybe(0.1, () => ({ hostUsers: false })),
      ...maybe(0.1, () => ({ os: { name: 'linux' } })),
      ...maybe(0.1, () => ({ terminationGracePeriodSeconds: random.int(60) })),
    },
  };
}

function times<T>(random: Random, most: number, make: () => T): T[] {
  return Array.from({ length: random.int(most + 1) }, make);
}

function annotations(random: Random, containers: readonly Json[]): Json {
  const recorded = random.pick([
    '',
    '{',
    '[]',
    '{"c0":7}',
    '{"__proto__":"registry.test/web:1","gone":"x"}',
    JSON.stringify(Object.fromEntries(containers.map(({ name, image }) => [name, image]))),
    '{"c0":"registry.test/web:0","c1":"registry.test/web:1"}',
  ]);
  return {
    [random.pick(ANNOTATION_KEYS)]: random.pick(['nydus', 'kata', '', 'a/b~c', 'ä€😀']),
    ...(random.chance(0.3) ? { [ORIGINALS]: recorded } : {}),
    ...(random.chance(0.2) ? { 'slipstream.dev/rewrite': random.pick(['rewritten', 'skipped: NotReady', '']) } : {}),
    ...(random.chance(0.01) ? { big: 'x'.repeat(256 * 1024 - 400 + random.int(400)) } : {}),
  };
}

function owner(random: Random): Json {
  const kind = random.pick<Json>([
    { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
    { apiVersion: 'batch/v1', kind: 'Job' },
    { apiVersion: 'postgresql.cnpg.io/v1', kind: 'Cluster' },
    { apiVersion: 'v1', kind: 'ReplicationController' },
  ]);
  return { ...kind, name: 'web', uid: '1', controller: random.chance(0.8) };
}

function toleration(random: Random): Json {
  return random.pick<Json>([
    { operator: 'Exists' },
    { key: 'gpu', operator: 'Exists', effect: 'NoSchedule' },
    { key: 'gpu', operator: 'Equal', value: 'a' },
    { key: 'gpu', value: 'b', effect: 'NoExecute', tolerationSeconds: 5 },
  ]);
}

function volume(random: Random): Json {
  return random.pick<Json>([
    { name: 'v', emptyDir: {} },
    { name: 'v', persistentVolumeClaim: { claimName: 'data' } },
    { name: 'v', hostPath: { path: '/tmp' } },
    {
      name: 'v',
      ephemeral: {
        volumeClaimTemplate: {
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      },
    },
  ]);
}

/** Values that stand where something else should. */
const ODD: readonly [unknown, ...unknown[]] = [
  null,
  true,
  0,
  -1.5,
  1e308,
  '',
  'text',
  '\u0000\uD800 ä€😀',
  'nydus',
  [],
  [null],
  [[]],
  ['text'],
  {},
  [{}],
  [{ name: 'c0' }],
  [{ name: 'c0', image: 7 }],
  [{ image: 'registry.test/web:1' }],
  { '~': 'x', '/': 'x', '~1': 'x', '~0/~1': 'x', '': 'x', '-': 'x', '0': 'x' },
  { 'slipstream.dev/original-images': '{"c0":', 'slipstream.dev/rewrite': 7 },
];
/** Names that every object has a property of. */
const PROTOTYPE = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length'] as const;

/** A copy, which shares what has not changed, in which one to three things are not as they should be: replaced, missing, doubled, added, or much too big. */
export function mutated(random: Random, object: Json): unknown {
  let copy: unknown = object;
  for (let rounds = 1 + random.int(3); rounds > 0; rounds -= 1) {
    copy = mutate(random, copy);
  }
  return copy;
}

function mutate(random: Random, value: unknown): unknown {
  const goDeeper = random.chance(0.75);
  if (Array.isArray(value) && value.length > 0 && goDeeper) {
    const index = random.int(value.length);
    const item: unknown = value[index];
    return random.pick([
      () => value.with(index, mutate(random, item)),
      () => value.with(index, mutate(random, item)),
      () => [...value, item],
      () => value.toSpliced(index, 1),
    ])();
  }
  if (typeof value === 'object' && value !== null && goDeeper) {
    const keys = Object.keys(value);
    const key = keys[random.int(keys.length)];
    if (key === undefined) {
      return odd(random);
    }
    const { [key]: part, ...rest } = value as Json;
    return random.pick([
      () => withField(rest, key, mutate(random, part)),
      () => withField(rest, key, mutate(random, part)),
      () => withField(rest, key, mutate(random, part)),
      () => rest,
      () => withField(value as Json, random.pick(PROTOTYPE), odd(random)),
    ])();
  }
  return odd(random);
}

function odd(random: Random): unknown {
  switch (random.int(40)) {
    case 0:
      return 'x'.repeat(1 + random.int(2000));
    case 1:
      return Array.from({ length: random.int(100) }, () => ({ name: 'c0', image: 'registry.test/web:1' }));
    case 2:
      return nested(1 + random.int(500));
    default:
      return random.pick(ODD);
  }
}

function nested(depth: number): unknown {
  let value: unknown = 'deep';
  for (let level = 0; level < depth; level += 1) {
    value = level % 2 === 0 ? [value] : { a: value };
  }
  return value;
}

/** As JSON.parse sets it: `__proto__` is a name like any other. */
function withField(object: Json, key: string, value: unknown): Json {
  const copy = { ...object };
  Object.defineProperty(copy, key, { value, writable: true, enumerable: true, configurable: true });
  return copy;
}
