import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import { FakeLease } from '../../../test/support/fake-lease.ts';
import { HurriedClock } from '../../../test/support/hurried-clock.ts';
import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { KubeError } from '../../kube/errors.ts';
import { unfinalize, type UnfinalizeDependencies } from './unfinalize.ts';

const OURS = 'slipstream.dev/cleanup';

/** Some objects, of which each list shows one a page, and what happens as they are listed. */
function world(objects: Record<string, { finalizers: string[]; deleted?: true }>) {
  const lease = new FakeLease({ holderIdentity: '' });
  const clock = new HurriedClock();
  const hooks: { listed?: (name: string) => void } = {};
  const versions = new Map<string, number>();
  const client = {
    async list(_: unknown, { continue: next = '0' }: { continue?: string }) {
      const names = Object.keys(objects);
      const index = Number(next);
      const items = names.slice(index, index + 1).map((name) => read(name));
      for (const { metadata } of items) {
        hooks.listed?.(metadata.name);
      }
      return { items, resourceVersion: '1', ...(index + 1 < names.length ? { continue: String(index + 1) } : {}) };
    },
    async patch(_: unknown, { name }: { name: string }, { metadata }: { metadata: Record<string, unknown> }) {
      if (metadata['resourceVersion'] !== version(name)) {
        throw new KubeError('changed', { code: 409, reason: 'Conflict' });
      }
      if (objects[name] !== undefined) {
        objects[name].finalizers = metadata['finalizers'] as string[];
      }
      change(name);
    },
  } as unknown as UnfinalizeDependencies['client'];

  function read(name: string): AcceleratedImage {
    const { finalizers = [], deleted } = objects[name] ?? {};
    const image = acceleratedImage(name, { spec: { source: { image: 'registry.test/web:1' } } });
    const gone = deleted === undefined ? {} : { deletionTimestamp: '2026-01-01T00:00:00Z' };
    return { ...image, metadata: { ...image.metadata, ...gone, finalizers, resourceVersion: version(name) } };
  }

  function version(name: string): string {
    return String(versions.get(name) ?? 1);
  }

  /** As anybody's write does. */
  function change(name: string): void {
    versions.set(name, (versions.get(name) ?? 1) + 1);
  }

  const run = (): Promise<void> =>
    unfinalize(
      { client, lock: lease.lock('hook'), identity: 'hook', clock, log: pino({ level: 'silent' }) },
      AbortSignal.timeout(60_000),
    );
  return { lease, clock, objects, hooks, change, run };
}

test('every object loses our finalizer and keeps those of others, also when somebody else changes it meanwhile', async () => {
  const { objects, hooks, change, run } = world({
    ours: { finalizers: [OURS] },
    both: { finalizers: ['example.com/mine', OURS] },
    none: { finalizers: [] },
  });
  let changes = 3;
  hooks.listed = (name) => {
    if (name === 'both' && (changes -= 1) >= 0) {
      change(name);
    }
  };
  await run();
  assert.deepEqual(objects, {
    ours: { finalizers: [] },
    both: { finalizers: ['example.com/mine'] },
    none: { finalizers: [] },
  });
});

test('an object that is being deleted is left to the operator, which leads until it has seen it off', async () => {
  const { lease, clock, objects, hooks, run } = world({ leaving: { finalizers: [OURS], deleted: true } });
  hooks.listed = () => {
    if (clock.monotonic() >= 10_000 && objects['leaving']?.finalizers.length === 1) {
      assert.equal(lease.record?.holderIdentity, '', 'the operator still leads');
      delete objects['leaving'];
    }
  };
  await run();
  assert.equal(lease.record?.holderIdentity, 'hook');
  assert.ok(clock.monotonic() >= 10_000);
});

test('an object whose deletion does not end is let go after a minute', async () => {
  const { clock, objects, run } = world({ stuck: { finalizers: [OURS], deleted: true } });
  await run();
  assert.deepEqual(objects['stuck']?.finalizers, []);
  assert.equal(clock.monotonic(), 60_000);
});

test('nothing is done to any object once somebody else may lead', async () => {
  const { lease, objects, hooks, run } = world({ web: { finalizers: [OURS] } });
  hooks.listed = () => {
    if (lease.record?.holderIdentity === 'hook') {
      lease.put({ holderIdentity: 'operator' });
    }
  };
  await assert.rejects(run(), /has been modified/);
  assert.deepEqual(objects['web']?.finalizers, [OURS]);
});

test('what the API server refuses is an error: an object may still have the finalizer', async () => {
  const { hooks, run } = world({ web: { finalizers: [OURS] } });
  hooks.listed = () => {
    throw new KubeError('no', { code: 403, reason: 'Forbidden' });
  };
  await assert.rejects(run(), /no/);
});

test('where the kind is not installed there is nothing to do', async () => {
  const { hooks, run } = world({ web: { finalizers: [] } });
  hooks.listed = () => {
    throw new KubeError('no such kind', { code: 404, reason: 'NotFound' });
  };
  await run();
});
