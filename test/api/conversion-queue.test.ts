import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { AcceleratedImage } from '../../src/api/v1alpha1/acceleratedimage.ts';
import { acceleratedImages, jobs, namespaces, type Job } from '../../src/kube/resources.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { runJobs } from '../support/jobs.ts';
import { startOperator, type RunningOperator } from '../support/operator.ts';
import { until } from '../support/until.ts';

const MANY = 40;
const PLACES = 3;

let registry: FaultyRegistry;
let operator: RunningOperator;

before(async () => {
  registry = await startFaultyRegistry();
  operator = await startOperator({
    registries: [{ host: registry.host, plainHTTP: true }],
    conversion: { image: 'slipstream:test', maxConcurrent: PLACES, maxConcurrentPerRegistry: PLACES },
  });
  await operator.client.create(namespaces, { metadata: { name: 'team-b' } });
});
after(async () => {
  await operator?.[Symbol.asyncDispose]();
  await registry?.close();
});

async function accelerate(namespace: string, name: string): Promise<void> {
  registry.addImage(name, '1', { layers: [Buffer.from(name)] });
  await operator.client.create(acceleratedImages, {
    metadata: { namespace, name },
    spec: { source: { image: `${registry.host}/${name}:1` } },
  });
}

async function images(): Promise<AcceleratedImage[]> {
  return (await operator.client.list(acceleratedImages, {})).items;
}

async function running(): Promise<Job[]> {
  return (await operator.client.list(jobs, {})).items.filter(({ status }) => status?.conditions === undefined);
}

test('a namespace with many images fills the places and no more, and the next one goes to another that asks for one', async () => {
  await Promise.all(Array.from({ length: MANY }, (_, index) => accelerate('team-a', `many-${index}`)));
  await until('the others stand in line', async () => {
    const waiting = (await images()).filter(({ status }) => status?.conversion?.queuePosition !== undefined);
    return waiting.length === MANY - PLACES;
  });
  assert.equal((await running()).length, PLACES, 'as many at once as there are places');
  await until('each has a place in it of its own', async () => {
    const positions = (await images()).flatMap(({ status }) => status?.conversion?.queuePosition ?? []);
    return new Set(positions).size === MANY - PLACES && Math.max(...positions) === MANY - PLACES;
  });

  await accelerate('team-b', 'one');
  await until('it comes first', async () => {
    const one = await operator.client.get(acceleratedImages, { namespace: 'team-b', name: 'one' });
    return one.status?.conversion?.queuePosition === 1;
  });
  await runJobs(operator.client, 'team-a', [registry]);
  await until('all places are taken again', async () => (await running()).length === PLACES);
  const took = (await running()).map(({ metadata }) => metadata.namespace ?? '').toSorted();
  assert.deepEqual(took, ['team-a', 'team-a', 'team-b']);
});
