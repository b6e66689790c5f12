import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Condition } from '../../src/api/v1alpha1/meta.ts';
import { acceleratedImages } from '../../src/kube/resources.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { INSPECTION, runJobs } from '../support/jobs.ts';
import { run } from '../support/cli.ts';
import { toolPath } from '../../hack/tools/locate.ts';
import { startOperator, type RunningOperator } from '../support/operator.ts';
import { until } from '../support/until.ts';

const namespace = 'team-a';
const name = 'web';
const MERGE = 'application/merge-patch+json';

let registry: FaultyRegistry;
let operator: RunningOperator;

before(async () => {
  registry = await startFaultyRegistry();
  operator = await startOperator({ registries: [{ host: registry.host, plainHTTP: true }] });
  registry.addImage(name, '1', { layers: [Buffer.from('source')] });
});
after(async () => {
  await operator?.[Symbol.asyncDispose]();
  await registry?.close();
});

async function conditionOf(type: string): Promise<Condition | undefined> {
  const { status } = await operator.client.get(acceleratedImages, { namespace, name });
  return status?.conditions?.find((condition) => condition.type === type);
}

async function budgeted(expected: string): Promise<string> {
  let message = '';
  await until(`the budget is ${expected}`, async () => {
    await runJobs(operator.client, namespace, [registry]);
    const condition = await conditionOf('WithinBudget');
    message = condition?.message ?? '';
    assert.equal(`${condition?.status} ${condition?.reason}`, expected, message);
    return true;
  });
  return message;
}

async function setBudget(budget: object | null): Promise<void> {
  await operator.client.patch(acceleratedImages, { namespace, name }, { spec: { inspection: { budget } } }, MERGE);
}

describe('the budget of an AcceleratedImage', () => {
  test('that is exceeded is a condition and an Event, and keeps nothing from being Ready', async () => {
    await operator.client.create(acceleratedImages, {
      metadata: { namespace, name },
      spec: {
        source: { image: `${registry.host}/${name}:1` },
        inspection: { budget: { wastedBytes: '500k', layers: 2 } },
      },
    });
    assert.equal(await budgeted('False BudgetExceeded'), 'it wastes 1.00 MiB, 488 KiB are allowed');
    assert.equal((await conditionOf('Ready'))?.status, 'True');
    const { status } = await operator.client.get(acceleratedImages, { namespace, name });
    assert.deepEqual(status?.inspection, INSPECTION);
    const { kubeconfig } = operator.envtest;
    const kubectl = (...args: string[]) =>
      run(toolPath('kubectl'), ['--kubeconfig', kubeconfig, '-n', namespace, ...args], {
        env: { HOME: dirname(kubeconfig) },
      });
    await until('the Event is there', async () => {
      const { stdout } = await kubectl('get', 'events', '--field-selector=reason=BudgetExceeded', '-o', 'name');
      return stdout.includes('event');
    });
    assert.match((await kubectl('get', 'ai', name, '-o', 'wide')).stdout, /EFFICIENCY[\s\S]*0\.667/);
  });

  test('is judged anew when it changes, without another conversion', async () => {
    await setBudget({ wastedBytes: '1Mi' });
    assert.equal(await budgeted('True WithinBudget'), '3.00 MiB in 2 layers, 1.00 MiB of it wasted');
  });

  test('is not spoken of when there is none', async () => {
    await setBudget(null);
    await until('the condition is gone', async () => (await conditionOf('WithinBudget')) === undefined);
  });
});
