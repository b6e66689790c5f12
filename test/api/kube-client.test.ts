import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { listWatch, loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { KubeError, isAlreadyExists, isConflict, isForbidden, isNotFound } from '../../src/kube/errors.ts';
import { EventRecorder } from '../../src/kube/events.ts';
import { events, namespaces, nodes, pods, secrets, type Pod, type Secret } from '../../src/kube/resources.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { Informer } from '../../src/runtime/informer.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';
import { collect } from '../support/collect.ts';
import { startCountingProxy } from '../support/counting-proxy.ts';

const log = pino({ level: 'silent' });

let envtest: Envtest;
let client: KubeClient;

before(async () => {
  envtest = await startEnvtest();
  client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'slipstream-test' });
});

after(async () => {
  await client?.close();
  await envtest?.stop();
});

/** Makes a namespace of a test's own. */
async function newNamespace(name: string): Promise<string> {
  await client.create(namespaces, { metadata: { name } });
  return name;
}

async function createPod(namespace: string, name: string): Promise<Pod> {
  const spec = { containers: [{ name: 'main', image: 'registry.test/web:1' }] };
  return await client.create(pods, { metadata: { namespace, name }, spec });
}

/** Has etcd forget every version before the newest (etcd API v3, gRPC gateway). */
async function compact(): Promise<void> {
  const post = async (path: string, body: object): Promise<unknown> => {
    const response = await fetch(`${envtest.etcdUrl}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) });
    assert.equal(response.status, 200);
    return await response.json();
  };
  const range = (await post('kv/range', { key: 'AA==' })) as { header: { revision: string } };
  await post('kv/compaction', { revision: range.header.revision, physical: true });
}

test('what is created is read back as the wire has it, and cannot be created twice', async () => {
  const namespace = await newNamespace('create');
  const data = { key: Buffer.from('value').toString('base64') };
  const created = await client.create(secrets, { metadata: { namespace, name: 'one' }, data });
  const read = await client.get(secrets, { namespace, name: 'one' });
  assert.deepEqual(read, created);
  assert.equal(typeof read.metadata.creationTimestamp, 'string');
  assert.deepEqual([read.apiVersion, read.kind, read.data], ['v1', 'Secret', data]);
  await assert.rejects(client.create(secrets, { metadata: { namespace, name: 'one' } }), (error) => {
    assert.ok(isAlreadyExists(error) && !isConflict(error));
    return true;
  });
});

test('what does not exist is NotFound, be it an object or a whole kind', async () => {
  const gone = client.get(secrets, { namespace: 'default', name: 'gone' });
  await assert.rejects(gone, (error) => isNotFound(error) && error.reason === 'NotFound');
  const resource = { ...secrets, group: 'nowhere.dev', plural: 'things' };
  await assert.rejects(client.list(resource, {}), isNotFound);
});

test('an update on an old version is a conflict', async () => {
  const namespace = await newNamespace('conflict');
  const first = await client.create(secrets, { metadata: { namespace, name: 'one' } });
  await client.update(secrets, { ...first, stringData: { a: '1' } });
  await assert.rejects(client.update(secrets, { ...first, stringData: { a: '2' } }), isConflict);
});

test('apply creates, takes over, and drops what its manager does not own any more', async () => {
  const namespace = await newNamespace('apply');
  const identity = { namespace, name: 'one' };
  const a = { fieldManager: 'a' };
  await client.apply(secrets, { metadata: { ...identity, labels: { x: '1', y: '1' } } }, a);
  const changed = await client.apply(secrets, { metadata: { ...identity, labels: { x: '2' } } }, a);
  assert.deepEqual(changed.metadata.labels, { x: '2' });
  assert.equal(changed.metadata.managedFields?.[0]?.operation, 'Apply');

  const other = { metadata: { ...identity, labels: { x: '3' } } };
  await assert.rejects(client.apply(secrets, other, { fieldManager: 'b', force: false }), isConflict);
  const forced = await client.apply(secrets, other, { fieldManager: 'b' });
  assert.deepEqual(forced.metadata.labels, { x: '3' });
});

test('apply of a status changes the status and nothing else', async () => {
  const namespace = await newNamespace('apply-status');
  await createPod(namespace, 'one');
  const applied = await client.apply(
    pods,
    { metadata: { namespace, name: 'one' }, spec: { activeDeadlineSeconds: 1 }, status: { message: 'from a test' } },
    { fieldManager: 'a', subresource: 'status' },
  );
  assert.equal(applied.status?.message, 'from a test');
  assert.equal(applied.spec?.activeDeadlineSeconds, undefined);
});

test('patches go out under their own media types', async () => {
  await client.create(nodes, { metadata: { name: 'patched' } });
  const ref = { name: 'patched' };
  await client.patch(nodes, ref, { metadata: { labels: { a: '1' } } }, 'application/merge-patch+json');
  const add = [{ op: 'add', path: '/metadata/labels/b', value: '2' }];
  const patched = await client.patch(nodes, ref, add, 'application/json-patch+json');
  assert.deepEqual(patched.metadata.labels, { a: '1', b: '2' });
  const status = { status: { nodeInfo: { machineID: 'm' } } };
  await client.patch(nodes, ref, status, 'application/strategic-merge-patch+json', { subresource: 'status' });
  assert.equal((await client.get(nodes, ref)).status?.nodeInfo?.machineID, 'm');
});

test('a delete with another uid is a conflict and deletes nothing', async () => {
  const namespace = await newNamespace('delete');
  const ref = { namespace, name: 'one' };
  const { metadata } = await client.create(secrets, { metadata: ref });
  await assert.rejects(client.delete(secrets, ref, { uid: 'another' }), isConflict);
  await client.delete(secrets, ref, { uid: metadata.uid ?? '', propagationPolicy: 'Background' });
  await assert.rejects(client.get(secrets, ref), isNotFound);
});

test('a list comes in pages, whose items say what they are', async () => {
  const namespace = await newNamespace('pages');
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    await client.create(secrets, { metadata: { namespace, name, labels: { page: 'yes' } } });
  }
  await client.create(secrets, { metadata: { namespace, name: 'other' } });
  const names: string[][] = [];
  let token: string | undefined;
  do {
    const next = token === undefined ? {} : { continue: token };
    const page = await client.list(secrets, { namespace, labelSelector: 'page=yes', limit: 2, ...next });
    assert.deepEqual([page.items[0]?.apiVersion, page.items[0]?.kind], ['v1', 'Secret']);
    names.push(page.items.map((item) => item.metadata.name));
    token = page.continue;
  } while (token !== undefined);
  assert.deepEqual(names, [['a', 'b'], ['c', 'd'], ['e']]);
});

test('a watch tells every change, sends a bookmark, and ends when the server ends it', async () => {
  const namespace = await newNamespace('watch');
  const { resourceVersion } = await client.list(secrets, { namespace });
  const ref = { namespace, name: 'one' };
  const created = await client.create(secrets, { metadata: ref });
  const seen = new Set<string>();
  let bookmark = '';
  const watch = client.watch(secrets, { namespace, resourceVersion, timeoutSeconds: 8 }, AbortSignal.timeout(60_000));
  for await (const event of watch) {
    seen.add(event.type);
    if (event.type === 'ADDED') {
      await client.update(secrets, { ...created, stringData: { a: '1' } });
    } else if (event.type === 'MODIFIED') {
      await client.delete(secrets, ref);
    } else if (event.type === 'BOOKMARK') {
      // The API server sends one two seconds before it ends a watch that had changes.
      bookmark = event.resourceVersion;
    }
  }
  assert.deepEqual([...seen], ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);
  assert.ok(BigInt(bookmark) > BigInt(created.metadata.resourceVersion ?? ''));
});

test('after a compaction an old watch and an old page are told that they are gone', async () => {
  const namespace = await newNamespace('compaction');
  const recorder = new EventRecorder({ client, clock: systemClock, log, instance: 'test' });
  const about = await createPod(namespace, 'one');
  // Events: the only built-in kind that the API server reads from etcd each time, without a cache that would still know.
  for (const reason of ['A', 'B', 'C']) {
    recorder.event(about, 'Normal', reason, 'message');
  }
  await recorder.flush();
  const page = await client.list(events, { namespace, limit: 1 });
  await client.create(secrets, { metadata: { namespace, name: 'later' } });
  await client.create(secrets, { metadata: { namespace, name: 'latest' } });
  await compact();

  const { resourceVersion } = page;
  const watch = client.watch(events, { namespace, resourceVersion, timeoutSeconds: 5 }, AbortSignal.timeout(60_000));
  const [event] = await collect(watch);
  assert.equal(event?.type === 'ERROR' && event.code, 410);

  const rest = client.list(events, { namespace, limit: 1, ...(page.continue && { continue: page.continue }) });
  await assert.rejects(rest, (error) => error instanceof KubeError && error.code === 410);
});

test('an informer over the client follows the API server', { timeout: 60_000 }, async (t) => {
  const namespace = await newNamespace('informer');
  const stop = new AbortController();
  const informer = new Informer<Secret>({
    name: 'secrets',
    listWatch: listWatch(client, secrets, { namespace }),
    clock: systemClock,
    log,
  });
  const added = Promise.withResolvers<string>();
  informer.onChange((change) => change.type === 'added' && added.resolve(change.object.metadata.name));
  const running = informer.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
  });
  await informer.waitForSync(AbortSignal.timeout(60_000));
  await client.create(secrets, { metadata: { namespace, name: 'new' } });
  assert.equal(await added.promise, 'new');
});

test('who has no right is told so, by the name of the right', async (t) => {
  const nobody = loadKubeClient({ kubeconfig: await envtest.kubeconfigFor('nobody'), userAgent: 'slipstream-test' });
  t.after(() => nobody.close());
  await assert.rejects(nobody.list(secrets, { namespace: 'default' }), (error) => {
    assert.ok(isForbidden(error));
    assert.equal(error.reason, 'Forbidden');
    assert.match(error.message, /User "nobody" cannot list resource "secrets"/);
    return true;
  });
});

test('a log that cannot be had is an error that says why; a Pod that runs nowhere has an empty one', async () => {
  const namespace = await newNamespace('logs');
  const ref = { namespace, name: 'one' };
  await assert.rejects(client.podLogs(ref), isNotFound);
  await createPod(namespace, 'one');
  await assert.rejects(client.podLogs(ref, { container: 'other' }), (error) => {
    assert.ok(error instanceof KubeError);
    assert.equal(error.code, 400);
    assert.match(error.message, /container other is not valid for pod one/);
    return true;
  });
  assert.equal(await client.podLogs(ref, { container: 'main', tailLines: 1, sinceSeconds: 60 }), '');
});

test('events are visible, and repeated ones are a series', async () => {
  const namespace = await newNamespace('events');
  const about = await createPod(namespace, 'one');
  const recorder = new EventRecorder({ client, clock: systemClock, log, instance: 'slipstream-0' });
  recorder.event(about, 'Warning', 'SourceNotFound', 'no such image');
  await recorder.flush();
  recorder.event(about, 'Warning', 'SourceNotFound', 'no such image');
  recorder.event(about, 'Warning', 'SourceNotFound', 'no such image');
  await recorder.flush();
  const { items } = await client.list(events, { namespace, fieldSelector: 'reason=SourceNotFound' });
  assert.equal(items.length, 1);
  const [event] = items;
  assert.equal(event?.series?.count, 3);
  assert.deepEqual(
    [event?.type, event?.note, event?.reportingController, event?.reportingInstance, event?.regarding?.uid],
    ['Warning', 'no such image', 'slipstream.dev/controller', 'slipstream-0', about.metadata.uid],
  );
});

test('an event about a cluster-scoped object is in the namespace default', async () => {
  const node = await client.create(nodes, { metadata: { name: 'eventful' } });
  const recorder = new EventRecorder({ client, clock: systemClock, log, instance: 'slipstream-0' });
  recorder.event(node, 'Normal', 'NodeCapable', 'the node runs nydus');
  await recorder.flush();
  const { items } = await client.list(events, { namespace: 'default', fieldSelector: 'reason=NodeCapable' });
  assert.equal(items[0]?.regarding?.name, 'eventful');
});

test('any other path answers with its text', async () => {
  assert.match(await client.raw('GET', '/version'), /"gitVersion"/);
  assert.equal(await client.raw('GET', '/readyz'), 'ok');
});

test('a hundred calls one after another go over at most two connections', async (t) => {
  const { port } = new URL(envtest.url);
  await using proxy = await startCountingProxy(Number(port));
  const path = `${envtest.kubeconfig}.proxied`;
  await writeFile(path, (await readFile(envtest.kubeconfig, 'utf8')).replace(`:${port}`, `:${proxy.port}`));
  const proxied = loadKubeClient({ kubeconfig: path, userAgent: 'slipstream-test' });
  t.after(() => proxied.close());
  for (let i = 0; i < 100; i++) {
    await proxied.list(namespaces, {});
    // Errors must leave the connection usable, too.
    await assert.rejects(proxied.get(namespaces, { name: 'gone' }), isNotFound);
  }
  assert.ok(proxy.connections() <= 2, `${proxy.connections()} connections`);
});
