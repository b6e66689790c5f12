import type { MutatingWebhookConfiguration, Namespace } from '../kube/resources.ts';
import { matchesTerm } from '../rewriting/affinity.ts';

type Webhook = NonNullable<MutatingWebhookConfiguration['webhooks']>[number];

/** Whether a webhook configuration has the API server ask about the Pods of a namespace. */
export function asksAbout(configuration: MutatingWebhookConfiguration, namespace: Namespace): boolean {
  return (configuration.webhooks ?? []).some(({ namespaceSelector }) => selects(namespaceSelector, namespace));
}

/** metav1.LabelSelector; one that is absent or empty selects everything. */
function selects(selector: Webhook['namespaceSelector'], { metadata }: Namespace): boolean {
  const labels = Object.entries(selector?.matchLabels ?? {});
  const expressions = [
    ...labels.map(([key, value]) => ({ key, operator: 'In', values: [value] })),
    ...(selector?.matchExpressions ?? []).map(({ key, operator, values = [] }) => ({ key, operator, values })),
  ];
  return (
    expressions.length === 0 ||
    matchesTerm({ expressions, fields: [] }, metadata.name, new Map(Object.entries(metadata.labels ?? {})))
  );
}
