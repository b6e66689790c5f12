import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { REWRITE_TABLE, type RewriteTable } from '../../src/api/v1alpha1/rewritetable.ts';
import { reconcileRewriteTable, removeRewriteTables } from '../../src/controllers/admissionpolicy/controller.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { isNotFound } from '../../src/kube/errors.ts';
import { acceleratedImages, nodes, rewriteTables, runtimeClasses } from '../../src/kube/resources.ts';
import { rewriteTable } from '../../src/rewriting/table.ts';
import { Store } from '../../src/runtime/store.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startOperator } from '../support/operator.ts';
import { ARTIFACT, SOURCE } from '../support/pod-cases.ts';
import { capableNode, indexOf, NOW, readyImage, runtimeClass, SOURCE_DIGEST, webPod } from '../support/rewriting.ts';
import { until } from '../support/until.ts';
import { VALUES } from './chart.ts';
import { installPolicies, startPolicyWorld, tryPod } from './policies.ts';

const TABLE = { namespace: 'team-a', name: REWRITE_TABLE };
const IMAGE = { namespace: 'team-a', name: 'web' };

const CONTEXT = { log: pino({ level: 'silent' }), reconcileId: 'test', signal: new AbortController().signal };

/** The image of a new Pod of the source in `team-a`. */
async function imageOf(client: KubeClient): Promise<string | undefined> {
  return (await tryPod(client, webPod(SOURCE), 'team-a')).spec?.containers[0]?.image;
}

/** Whether the namespace has a table. */
async function hasTable(client: KubeClient): Promise<boolean> {
  return client.get(rewriteTables, TABLE).then(
    () => true,
    (error: unknown) => {
      if (isNotFound(error)) return false;
      throw error;
    },
  );
}

/** Makes an AcceleratedImage ready, and the node able to run it; suspended, so that no registry is asked. */
async function makeReady(client: KubeClient): Promise<void> {
  const { spec, status } = readyImage('web', SOURCE, { spec: { suspend: true } });
  await client.create(runtimeClasses, runtimeClass());
  const { status: reported } = capableNode('node-1');
  // The API server taints new nodes, and the controller that would take the taint away does not run here.
  await client.patch(nodes, { name: 'node-1' }, { spec: { taints: null } }, 'application/merge-patch+json');
  await client.patch(nodes, { name: 'node-1' }, { status: reported }, 'application/merge-patch+json', {
    subresource: 'status',
  });
  await client.create(acceleratedImages, { metadata: IMAGE, spec });
  await client.patch(acceleratedImages, IMAGE, { status }, 'application/merge-patch+json', { subresource: 'status' });
}

test('in the mode Policy, Pods run artifacts without any webhook, for as long as there is something to run', async () => {
  await using operator = await startOperator({ admission: { mode: 'Policy' } });
  const { client } = operator;
  await installPolicies(client, VALUES.policy);
  await makeReady(client);
  await until('Pods are rewritten', async () => (await imageOf(client)) === ARTIFACT);

  // What somebody else changed is put right.
  const { spec } = await client.get(rewriteTables, TABLE);
  const stray = { ...spec, images: { ...spec.images, 'x.test/x:1': Object.values(spec.images)[0] } };
  await client.patch(rewriteTables, TABLE, { spec: stray }, 'application/merge-patch+json');
  await until('the table is as before', async () => {
    return !('x.test/x:1' in (await client.get(rewriteTables, TABLE)).spec.images);
  });

  // A Pod that names a missing RuntimeClass would be rejected.
  await client.delete(runtimeClasses, { name: 'nydus' });
  await until('Pods are left as they are without the RuntimeClass', async () => (await imageOf(client)) === SOURCE);
  assert.equal(await hasTable(client), false);
  await client.create(runtimeClasses, runtimeClass());
  await until('Pods are rewritten again', async () => (await imageOf(client)) === ARTIFACT);

  await client.delete(acceleratedImages, IMAGE);
  await until('the table goes with its last image', async () => !(await hasTable(client)));
});

test('a table is written only when it says something new, and goes when its tag is stale, though nothing else happens', async () => {
  await using world = await startPolicyWorld();
  const { client } = world;
  await world.makeNamespace('team-a');
  const clock = new FakeClock(NOW);
  const tables = new Store<RewriteTable>();
  const index = indexOf({ images: [readyImage('web', SOURCE)] });
  /** One pass over the namespace, on a cache that has seen what the last one wrote. */
  const pass = async (): Promise<string | undefined> => {
    await reconcileRewriteTable('team-a', { client, tables, index, clock }, CONTEXT);
    tables.replace((await client.list(rewriteTables, { namespace: 'team-a' })).items);
    return tables.list()[0]?.metadata.resourceVersion;
  };
  const first = await pass();
  assert.ok(first);
  await clock.advance(60_000);
  assert.equal(await pass(), first);

  await clock.advance(600_000);
  await pass();
  const images = tables.list()[0]?.spec.images ?? {};
  assert.deepEqual(
    Object.keys(images),
    [`registry.test/web@${SOURCE_DIGEST}`],
    'what a digest names does not go stale',
  );

  index.deleteImage(readyImage('web', SOURCE));
  assert.equal(await pass(), undefined);
});

test('in the mode Webhook, what the other mode left behind is removed, and nothing is missed where it never was', async () => {
  await using world = await startPolicyWorld();
  await world.makeNamespace('team-a');
  const { spec } = rewriteTable('team-a', indexOf({ images: [readyImage('web', SOURCE)] }), NOW);
  assert.ok(spec);
  await world.publish('team-a', spec);
  await removeRewriteTables(world.client, CONTEXT);
  assert.equal(await hasTable(world.client), false);

  await world.client.raw(
    'DELETE',
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rewritetables.slipstream.dev',
  );
  const paths = async (): Promise<string> => world.client.raw('GET', '/apis/slipstream.dev/v1alpha1');
  await until('the kind is gone', async () => !(await paths()).includes('rewritetables'));
  await removeRewriteTables(world.client, CONTEXT);
});
