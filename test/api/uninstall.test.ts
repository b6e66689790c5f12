import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname } from 'node:path';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { toolPath } from '../../hack/tools/locate.ts';
import { execute } from '../../hack/tools/process.ts';
import { runUnfinalizeCommand } from '../../src/controllers/uninstall/command.ts';
import { isNotFound } from '../../src/kube/errors.ts';
import { acceleratedImages, leases } from '../../src/kube/resources.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { runJobs } from '../support/jobs.ts';
import { startOperator, type Replica, type RunningOperator } from '../support/operator.ts';
import { until } from '../support/until.ts';

const namespace = 'team-a';
const OURS = 'slipstream.dev/cleanup';
const CRD = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/acceleratedimages.slipstream.dev';

let registry: FaultyRegistry;
let operator: RunningOperator;
let second: Replica;

before(async () => {
  registry = await startFaultyRegistry();
  operator = await startOperator({ registries: [{ host: registry.host, plainHTTP: true }] });
  await until('the first replica leads', async () => operator.lines.some((line) => line.includes('became leader')));
  second = await operator.join('second');
});
after(async () => {
  second?.stop();
  await second?.ended;
  // It ended when it had lost its Lease, as it should.
  await assert.rejects(async () => await operator?.[Symbol.asyncDispose](), { name: 'LostLeaseError' });
  await registry?.close();
});

async function accelerate(name: string, finalizers: string[] = []): Promise<void> {
  registry.addImage(name, '1', { layers: [Buffer.from(name)] });
  await operator.client.create(acceleratedImages, {
    metadata: { namespace, name, finalizers },
    spec: { source: { image: `${registry.host}/${name}:1` }, deletionPolicy: 'Delete' },
  });
}

async function converted(name: string): Promise<void> {
  await until(`${name} is converted and has the finalizer`, async () => {
    await runJobs(operator.client, namespace, [registry]);
    const { metadata, status } = await operator.client.get(acceleratedImages, { namespace, name });
    return status?.artifact !== undefined && metadata.finalizers?.includes(OURS) === true;
  });
}

async function finalizers(): Promise<Record<string, readonly string[]>> {
  const { items } = await operator.client.list(acceleratedImages, {});
  return Object.fromEntries(items.map(({ metadata }) => [metadata.name, metadata.finalizers ?? []]));
}

test('before an uninstallation every object loses the finalizer while the operator runs, which never sets it again', async () => {
  for (const name of ['web', 'leaving', 'shared']) {
    await accelerate(name, name === 'shared' ? ['example.com/mine'] : []);
    await converted(name);
  }
  await operator.client.delete(acceleratedImages, { namespace, name: 'leaving' });

  const { kubeconfig } = operator.envtest;
  const log = pino({ level: 'silent' });
  const options = { namespace: 'slipstream-system', identity: 'uninstall', kubeconfig, userAgent: 'slipstream-test' };
  await runUnfinalizeCommand({ ...options, log }, AbortSignal.timeout(120_000));

  assert.deepEqual(await finalizers(), { shared: ['example.com/mine'], web: [] });
  assert.equal(registry.content.manifest('leaving', '1-nydus'), undefined, 'it was seen off as ever');
  assert.ok(registry.content.manifest('web', '1-nydus') !== undefined, 'tags stay');
  assert.ok(operator.lines.some((line) => line.includes('stopping')));
  assert.ok(!second.lines.some((line) => line.includes('became leader')));
  const { spec } = await operator.client.get(leases, { namespace: 'slipstream-system', name: 'slipstream' });
  assert.deepEqual([spec?.holderIdentity, spec?.leaseDurationSeconds], ['uninstall', 60]);
});

test('the command of the docs takes all finalizers where Helm ran no hook', async () => {
  await accelerate('left', [OURS]);
  const text = await readFile(new URL('../../docs/cleanup.md', import.meta.url), 'utf8');
  const [, command = ''] = /^\$ (kubectl get ai -A .*\n.*)$/m.exec(text) ?? [];
  const path = [dirname(toolPath('kubectl')), process.env['PATH']].join(delimiter);
  const env = { ...process.env, PATH: path, KUBECONFIG: operator.envtest.kubeconfig };
  await execute('sh', ['-c', command], { env });
  assert.deepEqual(await finalizers(), { left: [], shared: [], web: [] });
});

test('afterwards the kind can be deleted, with every object', async () => {
  await operator.client.raw('DELETE', CRD);
  await until('the kind is gone', async () => {
    try {
      await operator.client.raw('GET', CRD);
      return false;
    } catch (error) {
      return isNotFound(error);
    }
  });
});
