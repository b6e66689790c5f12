import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdingPolicy } from '../../../test/support/holding.ts';
import { NOW } from '../../../test/support/rewriting.ts';
import { Config } from '../../config.ts';
import { holdProblem, withHolding } from './hold.ts';

const config = (settings: object): Config => Config.parse({ conversion: { image: 'slipstream:test' }, ...settings });
const ENABLED = config({ hold: { enabled: true } });

function holdingOf(settings: Config, alive: boolean, policy = holdingPolicy()): string[] {
  const { conditions = [] } = withHolding(
    policy,
    policy.status ?? {},
    holdProblem(settings, () => alive),
    NOW,
  );
  return conditions.filter(({ type }) => type === 'Holding').map(({ status, reason }) => `${status} ${reason}`);
}

test('a policy that holds says whether its Pods can wait, and if not why', () => {
  assert.deepEqual(holdingOf(ENABLED, true), ['True ReleaserAlive']);
  assert.deepEqual(holdingOf(ENABLED, false), ['False ReleaserMissing']);
  assert.deepEqual(holdingOf(config({}), true), ['False HoldDisabled']);
  const byPolicy = config({ hold: { enabled: true }, admission: { mode: 'Policy' } });
  assert.deepEqual(holdingOf(byPolicy, true), ['False HoldNeedsWebhook']);
});

test('a policy that does not hold says nothing of it, any more', () => {
  const policy = holdingPolicy();
  const status = withHolding(policy, policy.status ?? {}, undefined, NOW);
  const without = { ...policy, status, spec: { ...policy.spec, hold: undefined } };
  assert.deepEqual(holdingOf(ENABLED, true, without), []);
});
