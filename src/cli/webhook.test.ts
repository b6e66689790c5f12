import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespace } from '../../test/support/rewriting.ts';
import type { MutatingWebhookConfiguration } from '../kube/resources.ts';
import { asksAbout } from './webhook.ts';

type Webhook = NonNullable<MutatingWebhookConfiguration['webhooks']>[number];

const CHART: Webhook['namespaceSelector'] = {
  matchExpressions: [
    { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'slipstream-system'] },
    { key: 'slipstream.dev/rewrite', operator: 'NotIn', values: ['disabled'] },
  ],
};

/** Whether a namespace of these labels is asked about. */
function asks(namespaceSelector: Webhook['namespaceSelector'], labels: Record<string, string>): boolean {
  const webhooks = [{ name: 'pods', ...(namespaceSelector === undefined ? {} : { namespaceSelector }) }];
  return asksAbout(
    { metadata: { name: 'slipstream' }, webhooks } as MutatingWebhookConfiguration,
    namespace('x', labels),
  );
}

test('the namespaces that the chart excludes are not asked about, and the others are', () => {
  assert.equal(asks(CHART, { 'kubernetes.io/metadata.name': 'team-a' }), true);
  assert.equal(asks(CHART, { 'kubernetes.io/metadata.name': 'kube-system' }), false);
  assert.equal(asks(CHART, { 'kubernetes.io/metadata.name': 'team-a', 'slipstream.dev/rewrite': 'disabled' }), false);
});

test('every label that a selector names must be there, and one that names nothing selects all', () => {
  assert.equal(asks({ matchLabels: { team: 'a' } }, { team: 'a', other: 'b' }), true);
  assert.equal(asks({ matchLabels: { team: 'a' } }, { team: 'b' }), false);
  assert.equal(asks({}, {}), true);
  assert.equal(asks(undefined, {}), true);
});

test('a configuration without webhooks asks about nothing', () => {
  assert.equal(asksAbout({ metadata: { name: 'slipstream' } }, namespace('x')), false);
});
