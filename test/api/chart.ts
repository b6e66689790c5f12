import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadAll } from 'js-yaml';
import { toolPath } from '../../hack/tools/locate.ts';

export const CHART = fileURLToPath(new URL('../../charts/slipstream', import.meta.url));

/** Where the tests install the chart, as which release. */
export const NAMESPACE = 'slipstream-system';
export const RELEASE = 'slipstream';

/** The values files of the chart's ci/ folder: the smallest, every optional part on but one, the other mode of admission, and holding. */
export const VALUES = {
  small: `${CHART}/ci/values.yaml`,
  full: `${CHART}/ci/full-values.yaml`,
  policy: `${CHART}/ci/policy-values.yaml`,
  hold: `${CHART}/ci/hold-values.yaml`,
};

/** A rendered object. */
export interface Rendered {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; annotations?: Record<string, string>; labels?: Record<string, string> };
  [field: string]: unknown;
}

/** Runs helm; returns what it printed. Throws with its complaint. */
export async function helm(...args: string[]): Promise<string> {
  return (await promisify(execFile)(toolPath('helm'), args, { maxBuffer: 16 * 1024 * 1024 })).stdout;
}

/** Renders the chart with a values file and single values (`--set`). */
export async function template(values: string, ...set: string[]): Promise<string> {
  return helm(
    'template',
    RELEASE,
    CHART,
    '--namespace',
    NAMESPACE,
    '--values',
    values,
    ...set.flatMap((v) => ['--set', v]),
  );
}

/** The rendered objects, without empty documents. */
export function objects(manifest: string): Rendered[] {
  return loadAll(manifest).filter((document) => document !== null && document !== undefined) as Rendered[];
}

/** The one object of a kind. Throws when there is none or are several. */
export function only(rendered: readonly Rendered[], kind: string): Rendered {
  const found = rendered.filter((object) => object.kind === kind);
  const [object] = found;
  if (object === undefined || found.length > 1) throw new Error(`${found.length} objects of kind ${kind}, not one`);
  return object;
}
