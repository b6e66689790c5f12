import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { after, before, describe, test } from 'node:test';
import type { AcceleratedImage } from '../../src/api/v1alpha1/acceleratedimage.ts';
import { ownTag } from '../../src/converter/owntag.ts';
import { isNotFound } from '../../src/kube/errors.ts';
import { acceleratedImages, events, namespaces, pods } from '../../src/kube/resources.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { runJobs } from '../support/jobs.ts';
import { startOperator, type RunningOperator } from '../support/operator.ts';
import { until } from '../support/until.ts';

const MERGE = 'application/merge-patch+json';
const namespace = 'team-a';
const other = 'team-b';

let primary: FaultyRegistry;
let eu: FaultyRegistry;
let operator: RunningOperator;
let number = 0;
let running: Promise<void>;
const stop = new AbortController();

before(async () => {
  [primary, eu] = await Promise.all([startFaultyRegistry(), startFaultyRegistry()]);
  operator = await startOperator({
    registries: [primary.host, eu.host].map((host) => ({ host, plainHTTP: true })),
    conversion: { image: 'slipstream:test', maxConcurrent: 20, maxConcurrentPerRegistry: 20 },
  });
  await operator.client.create(namespaces, { metadata: { name: other } });
  running = runAllJobs();
});
after(async () => {
  stop.abort();
  await running;
  await operator?.[Symbol.asyncDispose]();
  await Promise.all([primary, eu].map((registry) => registry?.close()));
});
/** One runner for all tests: two would each find the tags that the other made. */
async function runAllJobs(): Promise<void> {
  while (!stop.signal.aborted) {
    // A Job may be deleted under it.
    await runJobs(operator.client, namespace, [primary]).catch(() => undefined);
    await runJobs(operator.client, other, [primary]).catch(() => undefined);
    await delay(50);
  }
}

/** An image of its own, so that the tests can run side by side. */
function newImage() {
  const name = `web-${(number += 1)}-of`;

  async function accelerate(spec: object, where = namespace): Promise<void> {
    await operator.client.create(acceleratedImages, {
      metadata: { namespace: where, name },
      spec: { source: { image: `${primary.host}/${name}:1`, interval: '10s' }, ...spec },
    });
  }

  function push(content: string): void {
    primary.addImage(name, '1', { layers: [Buffer.from(`${name} ${content}`)] });
  }

  async function current(where = namespace): Promise<AcceleratedImage> {
    return await operator.client.get(acceleratedImages, { namespace: where, name });
  }

  /** Waits until the object has an artifact that it did not have before, copies included; gives its digest. */
  async function converted(before?: string, where = namespace): Promise<string> {
    let digest = '';
    await until(`${name} has a new artifact`, async () => {
      const { spec, status } = await current(where);
      digest = status?.artifact?.digest ?? '';
      const copies = status?.replicas?.filter(({ state }) => state === 'Ready') ?? [];
      return digest !== '' && digest !== before && copies.length === (spec.replicas?.length ?? 0);
    });
    return digest;
  }

  async function gone(where = namespace): Promise<void> {
    await until('the object is gone', async () => {
      try {
        await current(where);
        return false;
      } catch (error) {
        return isNotFound(error);
      }
    });
  }

  async function runPod(image: string): Promise<void> {
    await operator.client.create(pods, {
      metadata: { namespace, name: `${name}-pod` },
      spec: { containers: [{ name: 'web', image }] },
    });
  }

  async function eventsOf(reason: string): Promise<string[]> {
    const { items } = await operator.client.list(events, { namespace });
    return items.filter((e) => e.reason === reason && e.regarding?.name === name).map(({ note }) => note ?? '');
  }

  const named = (tag: string, registry = primary, repository = name): string | undefined =>
    registry.content.manifest(repository, tag)?.digest;

  return { name, accelerate, push, current, converted, gone, runPod, eventsOf, named };
}

const own = (digest: string): string => ownTag('1-nydus', digest);

/** No deletion was ever asked for by digest. */
function assertTagsAlone(): void {
  const deletions = [...primary.requests, ...eu.requests].filter(({ method }) => method === 'DELETE');
  assert.deepEqual(
    deletions.filter(({ path }) => path.includes('sha256')),
    [],
  );
}

describe('the history of an AcceleratedImage', { concurrency: true }, () => {
  test('keeps as many older artifacts as it should by tags of their own, and removes the tags of the one before', async () => {
    const { name, accelerate, push, current, converted, named } = newImage();
    push('one');
    await accelerate({ history: { keep: 1 }, replicas: [{ region: 'eu', repository: `${eu.host}/copies/${name}` }] });
    const one = await converted();
    push('two');
    const two = await converted(one);
    assert.deepEqual([named('1-nydus'), named(own(one))], [two, one], 'the older one is still named');
    push('three');
    const three = await converted(two);
    await until('the oldest is not named any more', async () => {
      return named(own(one)) === undefined && named(own(one), eu, `copies/${name}`) === undefined;
    });
    assert.deepEqual(
      [named('1-nydus'), named(own(three)), named(own(two)), named(own(two), eu, `copies/${name}`)],
      [three, three, two, two],
    );
    await until('the status says so', async () => {
      const { history = [] } = (await current()).status ?? {};
      assert.deepEqual(
        history.map(({ digest }) => digest),
        [three, two],
      );
      return true;
    });
    assert.ok(primary.content.manifest(name, one) !== undefined, 'only tags were removed');
    assertTagsAlone();
  });

  test('leaves an older artifact that a Pod runs, wherever in the cluster, and says why', async () => {
    const { name, accelerate, push, current, converted, runPod, named } = newImage();
    push('one');
    await accelerate({ history: { keep: 0 } });
    const one = await converted();
    await runPod(`${primary.host}/${name}:1-nydus@${one}`);
    push('two');
    await converted(one);
    await until('the status says why', async () => {
      const entry = (await current()).status?.history?.find(({ digest }) => digest === one);
      assert.deepEqual([entry?.reason, entry?.tags], ['InUse', [`${primary.host}/${name}:${own(one)}`]]);
      return true;
    });
    assert.equal(named(own(one)), one);
    const conditions = (await current()).status?.conditions ?? [];
    assert.equal(
      conditions.find(({ type }) => type === 'CleanupFailed'),
      undefined,
      'nothing failed',
    );
  });

  test('says what a registry would not remove, and stays Ready', async () => {
    const { name, accelerate, push, current, converted, eventsOf } = newImage();
    primary.fail({ method: 'DELETE', path: new RegExp(`/${name}/`), fault: { answer: 405 } });
    push('one');
    await accelerate({ history: { keep: 0 } });
    const one = await converted();
    push('two');
    await converted(one);
    await until('the condition says so', async () => {
      const conditions = (await current()).status?.conditions ?? [];
      const failed = conditions.find(({ type }) => type === 'CleanupFailed');
      assert.deepEqual([failed?.status, failed?.reason], ['True', 'DeletionUnsupported']);
      assert.match(failed?.message ?? '', new RegExp(`${own(one)}.*the registry does not offer`, 'i'));
      assert.equal(conditions.find(({ type }) => type === 'Ready')?.status, 'True');
      return true;
    });
    await until('so does an Event', async () => (await eventsOf('DeletionUnsupported')).length === 1);
  });

  test('leaves what another object needs', async () => {
    const { accelerate, push, current, converted, named } = newImage();
    push('one');
    await accelerate({ history: { keep: 0 } });
    const one = await converted();
    await accelerate({ history: { keep: 3 } }, other);
    await converted(undefined, other);
    push('two');
    await converted(one);
    await converted(one, other);
    await until('the status says why', async () => {
      const entry = (await current()).status?.history?.find(({ digest }) => digest === one);
      assert.deepEqual([entry?.reason], ['InUse']);
      assert.match(entry?.message ?? '', /another AcceleratedImage needs it/);
      return true;
    });
    assert.equal(named(own(one)), one);
  });
});

describe('an AcceleratedImage that is deleted', { concurrency: true }, () => {
  test('takes the tags with it that it made, in every region, when asked to', async () => {
    const { name, accelerate, push, converted, gone, eventsOf, named } = newImage();
    push('one');
    await accelerate({
      deletionPolicy: 'Delete',
      replicas: [{ region: 'eu', repository: `${eu.host}/copies/${name}`, source: true }],
    });
    const one = await converted();
    push('two');
    const two = await converted(one);
    const copies = `copies/${name}`;
    assert.deepEqual([named('1-nydus', eu, copies), named(own(one), eu, copies)], [two, one]);
    await operator.client.delete(acceleratedImages, { namespace, name });
    await gone();
    for (const tag of ['1-nydus', own(one), own(two)]) {
      assert.deepEqual([named(tag), named(tag, eu, copies)], [undefined, undefined], tag);
    }
    assert.equal(named('1', eu, copies), undefined, 'the copy of the source');
    assert.ok(named('1') !== undefined, 'the source itself is nothing that it made');
    assertTagsAlone();
    await until('an Event says so', async () => (await eventsOf('TagsRemoved')).length === 1);
  });

  test('leaves everything by default, and has no finalizer', async () => {
    const { name, accelerate, push, current, converted, gone, named } = newImage();
    push('one');
    await accelerate({});
    const one = await converted();
    assert.equal((await current()).metadata.finalizers, undefined);
    await operator.client.delete(acceleratedImages, { namespace, name });
    await gone();
    assert.deepEqual([named('1-nydus'), named(own(one))], [one, one]);
  });

  test('loses its finalizer when the policy is taken back', async () => {
    const { name, accelerate, push, current } = newImage();
    push('one');
    await accelerate({ deletionPolicy: 'Delete' });
    await until('it has one', async () => (await current()).metadata.finalizers?.length === 1);
    await operator.client.patch(
      acceleratedImages,
      { namespace, name },
      { spec: { deletionPolicy: 'Retain' }, metadata: { finalizers: ['example.com/mine', 'slipstream.dev/cleanup'] } },
      MERGE,
    );
    await until('only that of others is left', async () => {
      return (await current()).metadata.finalizers?.join() === 'example.com/mine';
    });
  });

  test('leaves a tag that was there before it, and what a Pod or another object runs', async () => {
    const { name, accelerate, push, converted, gone, eventsOf, named } = newImage();
    primary.addImage(name, '1-nydus', { layers: [Buffer.from('somebody built this')] });
    push('one');
    await accelerate({ deletionPolicy: 'Delete' });
    const one = await converted();
    await accelerate({ deletionPolicy: 'Delete' }, other);
    await converted(undefined, other);
    await operator.client.delete(acceleratedImages, { namespace, name });
    await gone();
    assert.deepEqual([named('1-nydus'), named(own(one))], [one, one], 'the other object needs them');
    await until('an Event says so', async () => /another AcceleratedImage/.test((await eventsOf('TagsLeft'))[0] ?? ''));
    await operator.client.delete(acceleratedImages, { namespace: other, name });
    await gone(other);
    assert.deepEqual([named('1-nydus'), named(own(one))], [one, one], 'the other object made none of them');
  });

  test('goes although a registry refuses, and says what it left', async () => {
    const { name, accelerate, push, converted, gone, eventsOf, named } = newImage();
    push('one');
    await accelerate({ deletionPolicy: 'Delete' });
    const one = await converted();
    primary.fail({ method: 'DELETE', path: new RegExp(`/${name}/`), fault: { answer: 401 } });
    await operator.client.delete(acceleratedImages, { namespace, name });
    await gone();
    assert.deepEqual([named('1-nydus'), named(own(one))], [one, one]);
    await until(
      'an Event says so',
      async () => (await eventsOf('TagsLeft'))[0]?.startsWith('2 tags were left; ') === true,
    );
  });
});
