import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  AcceleratedImageReason,
  CLEANUP_FAILED,
  HOLDING,
  PrefetchPolicyReason,
  READY,
  RECONCILING,
  REPLICATED,
  SIGNED,
  SOURCE_VERIFIED,
  STALLED,
  WARM,
  WITHIN_BUDGET,
} from '../../src/api/v1alpha1/conditions.ts';
import { SkipReason } from '../../src/rewriting/reasons.ts';

const CONDITIONS = join(import.meta.dirname, '../../src/api/v1alpha1/conditions.ts');
const SKIP_REASONS = join(import.meta.dirname, '../../src/rewriting/reasons.ts');

/** A condition type or a reason with the sentence that stands over it in the source. */
export interface Documented<Name extends string = string> {
  name: Name;
  text: string;
}

/** What conditions.ts says in its comments, checked to be complete against what it exports. */
export interface ConditionDocs {
  types: Documented[];
  reasons: Record<string, Documented[]>;
}

/** Reads the doc comments of conditions.ts. Throws when a condition type or reason has none. */
export async function conditionDocs(): Promise<ConditionDocs> {
  const source = await readFile(CONDITIONS, 'utf8');
  return {
    types: [
      READY,
      RECONCILING,
      STALLED,
      REPLICATED,
      SOURCE_VERIFIED,
      SIGNED,
      WITHIN_BUDGET,
      CLEANUP_FAILED,
      WARM,
      HOLDING,
    ].map((value) => documented(source, `export const [A-Z_]+ = '${value}'`, value)),
    reasons: {
      AcceleratedImage: reasonsOf(source, 'AcceleratedImageReason', AcceleratedImageReason),
      PrefetchPolicy: reasonsOf(source, 'PrefetchPolicyReason', PrefetchPolicyReason),
    },
  };
}

/** Reads the doc comments of reasons.ts. Throws when a SkipReason has none. */
export async function skipReasonDocs(): Promise<Documented<SkipReason>[]> {
  return reasonsOf(await readFile(SKIP_REASONS, 'utf8'), 'SkipReason', SkipReason);
}

function reasonsOf<Name extends string>(
  source: string,
  constant: string,
  reasons: Record<string, Name>,
): Documented<Name>[] {
  const start = source.indexOf(`export const ${constant} = {`);
  const block = source.slice(start, source.indexOf('} as const', start));
  return Object.entries(reasons).map(([key, value]) => documented(block, `${key}: '${value}'`, value));
}

/** The doc comment directly before a declaration, as one line. */
function documented<Name extends string>(source: string, declaration: string, name: Name): Documented<Name> {
  const found = new RegExp(String.raw`/\*\*((?:(?!\*/)[\s\S])*)\*/\s*${declaration}`).exec(source)?.[1];
  if (found === undefined) throw new Error(`${name} has no doc comment directly before it`);
  return {
    name,
    text: found
      .replaceAll(/\n\s*\*/g, ' ')
      .replaceAll(/\s+/g, ' ')
      .trim(),
  };
}
