import {
  CLEANUP_FAILED,
  HOLDING,
  REPLICATED,
  SIGNED,
  SOURCE_VERIFIED,
  WARM,
  WITHIN_BUDGET,
} from '../../src/api/v1alpha1/conditions.ts';
import { GROUP, VERSION } from '../../src/api/v1alpha1/group.ts';
import type { SkipReason } from '../../src/rewriting/reasons.ts';
import { REMEDIES } from '../../src/rewriting/remedies.ts';
import { type Kind, kinds } from './kinds.ts';
import { code, table } from './markdown.ts';
import { type Outputs, writeOrCheck } from './outputs.ts';
import { type ConditionDocs, conditionDocs, type Documented, skipReasonDocs } from './reasons.ts';
import type { Structural } from './structural.ts';

const HEADER =
  '<!-- Generated from src/api by hack/generate/docs.ts. Do not edit: change the schema and run "make generate". -->';

const SKIP_HEADER =
  '<!-- Generated from src/rewriting by hack/generate/docs.ts. Do not edit: change reasons.ts or remedies.ts there and run ' +
  '"make generate". -->';

/** The reference page of one kind. */
function page(kind: Kind, conditions: ConditionDocs): string {
  const foreign =
    kind.kind === 'PrefetchPolicy'
      ? [REPLICATED, SOURCE_VERIFIED, SIGNED, WITHIN_BUDGET, CLEANUP_FAILED]
      : [WARM, HOLDING];
  const types = conditions.types.filter(({ name }) => !foreign.includes(name));
  return (
    [
      HEADER,
      `# ${kind.kind}`,
      `\`${GROUP}/${VERSION}\`, namespaced. Short name \`${kind.shortName}\`, category \`slipstream\`.`,
      kind.description,
      '## Spec',
      ...section(kind.spec, 'spec'),
      '## Status',
      ...section(kind.status, 'status'),
      '## Conditions',
      table(
        ['Type', 'Meaning'],
        types.map(({ name, text }) => [code(name), text]),
      ),
      '## Reasons',
      'A condition and the Event about it carry the same reason.',
      table(
        ['Reason', 'Meaning'],
        (conditions.reasons[kind.kind] ?? []).map(({ name, text }) => [code(name), text]),
      ),
      '## Columns of `kubectl get`',
      table(
        ['Column', 'With', 'Meaning'],
        kind.columns.map((column) => [
          column.name.toUpperCase(),
          column.priority === 1 ? '`-o wide`' : 'always',
          column.description,
        ]),
      ),
    ].join('\n\n') + '\n'
  );
}

/** The reference page of the reasons for which Pods are left as they are. */
function skipPage(reasons: readonly Documented<SkipReason>[]): string {
  return (
    [
      SKIP_HEADER,
      '# Why a Pod is left as it is',
      'The annotation `slipstream.dev/rewrite: "skipped: <Reason>"`, the counter `slipstream_admission_decisions_total`, the ' +
        'Event on the owner of the Pod and [`slipstream explain`](../explain.md) carry these reasons. They are checked in ' +
        'this order; the first that holds is the one that is said.',
      table(
        ['Reason', 'Meaning', 'What would have to change', 'Event'],
        reasons.map(({ name, text }) => {
          const { text: remedy, event = 'none' } = REMEDIES[name];
          return [code(name), text, remedy, event];
        }),
      ),
    ].join('\n\n') + '\n'
  );
}

/** One table per object in the schema, the outer ones first. */
function section(schema: Structural, path: string): string[] {
  const properties = Object.entries(schema.properties ?? {});
  const rows = properties.map(([name, child]) => [
    code(name) + (schema.required?.includes(name) ? ' (required)' : ''),
    typeOf(child),
    defaultOf(child),
    [child.description ?? '', ...limits(child), ...messages(child)].filter(Boolean).join(' '),
  ]);
  const below = properties.flatMap(([name, child]) => {
    const [object, suffix] = child.items === undefined ? [child, ''] : [child.items, '[]'];
    return object.properties === undefined ? [] : section(object, `${path}.${name}${suffix}`);
  });
  return [`### ${path}`, ...messages(schema), table(['Field', 'Type', 'Default', 'Description'], rows), ...below];
}

function typeOf(schema: Structural): string {
  if (schema['x-kubernetes-int-or-string'] === true) return 'quantity';
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  if (schema.additionalProperties !== undefined) return `map to ${typeOf(schema.additionalProperties)}`;
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.format === 'date-time') return 'time';
  return schema.type ?? '';
}

function defaultOf({ default: value }: Structural): string {
  // An object's default is {}: it only makes the API server fill in the defaults below it.
  return value === undefined || typeof value === 'object' ? '' : code(JSON.stringify(value).replaceAll('"', ''));
}

/** Bounds that a person may meet; the maximum lengths of strings are far away and would only be noise. */
function limits(schema: Structural): string[] {
  const { minimum, maximum, minItems, maxItems, maxProperties } = schema;
  const out: string[] = [];
  if (minimum !== undefined && maximum !== undefined) out.push(`From ${minimum} to ${maximum}.`);
  if (minItems !== undefined) out.push(`At least ${minItems}.`);
  if (maxItems !== undefined) out.push(`At most ${maxItems}.`);
  if (maxProperties !== undefined) out.push(`At most ${maxProperties}.`);
  return out;
}

function messages(schema: Structural): string[] {
  return (schema['x-kubernetes-validations'] ?? []).map(({ message }) => `Rule: ${message}.`);
}

const conditions = await conditionDocs();
const outputs: Outputs = new Map([
  ...kinds.map((kind) => [`docs/reference/${kind.singular}.md`, page(kind, conditions)] as const),
  ['docs/reference/skipreasons.md', skipPage(await skipReasonDocs())],
]);
await writeOrCheck(outputs);
