import { dump } from 'js-yaml';
import { GROUP } from '../../src/api/v1alpha1/group.ts';
import { customResourceDefinition, internalKinds, kinds } from './kinds.ts';
import { type Outputs, writeOrCheck } from './outputs.ts';

const HEADER =
  '# Generated from src/api by hack/generate/crds.ts. Do not edit: change the schema and run "make generate".\n';

/**
 * The CRDs go to crds/, for `kubectl apply` and GitOps, and to the chart's files/, from where a template installs them: what
 * stands in a chart's own crds/ folder is installed once and never upgraded by Helm.
 */
const FOLDERS = ['crds', 'charts/slipstream/files/crds'];

const outputs: Outputs = new Map();
for (const kind of [...kinds, ...internalKinds]) {
  const yaml = HEADER + dump(customResourceDefinition(kind), { lineWidth: 120, noRefs: true });
  for (const folder of FOLDERS) outputs.set(`${folder}/${GROUP}_${kind.plural}.yaml`, yaml);
}
await writeOrCheck(outputs);
