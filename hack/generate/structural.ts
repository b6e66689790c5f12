/**
 * JSON Schema, as zod writes it, → the structural OpenAPI v3 schema that a CustomResourceDefinition takes
 * (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema).
 */

/** A node of a structural schema, with the parts that our kinds use. */
export interface Structural {
  description?: string;
  type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  format?: string;
  enum?: string[];
  default?: unknown;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  anyOf?: { type: string }[];
  required?: string[];
  properties?: Record<string, Structural>;
  additionalProperties?: Structural;
  items?: Structural;
  'x-kubernetes-int-or-string'?: true;
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-map-type'?: 'atomic' | 'granular';
  'x-kubernetes-validations'?: { rule: string; message: string }[];
}

/** What zod's JSON Schema may hold at one node. */
type JSONSchema = Record<string, unknown>;

/** The keys that pass as they are, in the order that the YAML has them. */
const SCALARS = [
  'description',
  'type',
  'format',
  'enum',
  'default',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'maxProperties',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
  'required',
] as const;
const NESTED = ['properties', 'items', 'additionalProperties', 'anyOf', 'x-kubernetes-int-or-string'];

/**
 * Converts one schema and all below it. Throws with the path of the first thing that has no place in a structural schema,
 * or that has no upper bound: without one the API server cannot estimate the cost of CEL rules, and etcd holds what comes.
 */
export function toStructural(schema: object, path: string): Structural {
  const node = schema as JSONSchema;
  if (node['x-kubernetes-int-or-string'] === true) return intOrString(node, path);

  const unknown = Object.keys(node).find((key) => !NESTED.includes(key) && !SCALARS.some((known) => known === key));
  if (unknown !== undefined || 'anyOf' in node) {
    throw new Error(
      `${path}: "${unknown ?? 'anyOf'}" has no place in a structural schema; describe the field without it`,
    );
  }

  const out: JSONSchema = {};
  for (const key of SCALARS) {
    if (node[key] !== undefined) out[key] = node[key];
  }
  // zod's own bounds of a safe integer say nothing about the field, and its patterns for times are thousands of characters.
  if (out['minimum'] === Number.MIN_SAFE_INTEGER) delete out['minimum'];
  if (out['maximum'] === Number.MAX_SAFE_INTEGER) delete out['maximum'];
  if (out['format'] === 'date-time') delete out['pattern'];

  if (isObject(node['properties'])) {
    out['properties'] = Object.fromEntries(
      Object.entries(node['properties']).map(([name, child]) => [
        name,
        toStructural(child as object, `${path}.${name}`),
      ]),
    );
  }
  if (isObject(node['items'])) out['items'] = toStructural(node['items'], `${path}[]`);
  if (isObject(node['additionalProperties'])) {
    out['additionalProperties'] = toStructural(node['additionalProperties'], `${path}.*`);
  }
  requireBound(out, path);
  return out;
}

/** A node of no type that takes an integer or a string; what bounds the string stands on the node itself. */
function intOrString(node: JSONSchema, path: string): Structural {
  const branches = (node['anyOf'] ?? []) as JSONSchema[];
  const string = branches.find((branch) => branch['type'] === 'string');
  if (branches.length !== 2 || string === undefined || !branches.some((branch) => branch['type'] === 'integer')) {
    throw new Error(`${path}: an int-or-string must be a union of z.int() and z.string()`);
  }
  const { description } = node;
  const { pattern, maxLength } = string;
  const out = {
    ...(description === undefined ? {} : { description }),
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    ...(pattern === undefined ? {} : { pattern }),
    ...(maxLength === undefined ? {} : { maxLength }),
    'x-kubernetes-int-or-string': true,
  } as Structural;
  requireBound(out, path);
  return out;
}

function requireBound(node: Structural, path: string): void {
  const isString = node.type === 'string' || node['x-kubernetes-int-or-string'] === true;
  if (isString && node.enum === undefined && node.format !== 'date-time' && node.maxLength === undefined) {
    throw new Error(`${path}: a string needs a maxLength`);
  }
  if (node.type === 'array' && node.maxItems === undefined) throw new Error(`${path}: a list needs maxItems`);
  if (node.additionalProperties !== undefined && node.maxProperties === undefined) {
    throw new Error(`${path}: a map needs maxProperties`);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
