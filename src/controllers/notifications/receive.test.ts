import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import type { Overrides } from '../../../test/support/merge.ts';
import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { FollowedTags } from '../../notifications/followed.ts';
import { keyOf } from '../../runtime/object.ts';
import { Store } from '../../runtime/store.ts';
import { followedImages } from './followed-images.ts';
import { createReceiver, type Received } from './receive.ts';

const OLD = `sha256:${'a'.repeat(64)}`;
const NEW = `sha256:${'b'.repeat(64)}`;
const AT = '2026-01-01T00:00:01Z';
const SOURCE = { image: 'registry.test/web:1', digest: OLD, resolvedAt: '2026-01-01T00:00:00Z' };

function following(name: string, status: Overrides = { source: SOURCE }): AcceleratedImage {
  return acceleratedImage(name, { status });
}

/** What becomes of a notification, and who was marked. */
async function receive(
  body: unknown,
  objects: readonly AcceleratedImage[],
  { recent = false, mark }: { recent?: boolean; mark?: () => Promise<void> } = {},
): Promise<Received & { marked: string[] }> {
  const images = new Store<AcceleratedImage>();
  const followed = new FollowedTags([]);
  for (const object of objects) {
    images.upsert(object);
    followed.set(keyOf(object), followedImages(object.spec));
  }
  const marked: string[] = [];
  const marks = {
    isRecent: () => recent,
    mark: mark ?? (async ({ metadata }: AcceleratedImage) => void marked.push(metadata.name)),
  };
  const received = await createReceiver({ followed, images, marks })(JSON.stringify(body));
  return { ...received, marked };
}

test('who follows the tag is marked, once for each notification', async () => {
  const event = (tag: string): object => ({ action: 'push', target: { repository: 'web', tag, digest: NEW } });
  const { marked, ...received } = await receive({ events: [event('1'), event('1'), event('2')] }, [
    following('a'),
    following('b'),
    acceleratedImage('other', { spec: { source: { image: 'registry.test/web:3' } } }),
  ]);
  assert.deepEqual([marked, received], [['a', 'b'], { form: 'distribution', outcome: 'marked', objects: 2 }]);
});

test('a digest that the registry has answered with already is no news', async () => {
  const pushed = { image: 'registry.test/web:1', digest: OLD };
  assert.deepEqual(await receive(pushed, [following('a')]), {
    form: 'generic',
    outcome: 'known',
    objects: 0,
    marked: [],
  });
});

test('it is news while the registry has yet to be asked after an earlier one, which may have been another digest', async () => {
  const pushed = { image: 'registry.test/web:1', digest: OLD };
  const asked = following('a', { notification: { at: AT }, source: { ...SOURCE, notifiedAt: AT } });
  const pending = following('a', { notification: { at: AT }, source: SOURCE });
  const elsewhere = following('a', { source: { ...SOURCE, image: 'registry.test/web:0' } });
  assert.equal((await receive(pushed, [asked])).outcome, 'known');
  assert.equal((await receive(pushed, [pending])).outcome, 'marked');
  assert.equal((await receive(pushed, [asked], { recent: true })).outcome, 'marked');
  assert.equal((await receive(pushed, [elsewhere])).outcome, 'marked');
  assert.equal((await receive(pushed, [following('a', {})])).outcome, 'marked');
});

test('without a digest, or with one that is none, the registry is asked', async () => {
  for (const digest of [undefined, '', 'latest', NEW]) {
    assert.equal((await receive({ image: 'registry.test/web:1', digest }, [following('a')])).outcome, 'marked');
  }
});

test('what nobody follows, what is about something else and what is nothing at all mark nobody', async () => {
  const objects = [following('a')];
  assert.equal((await receive({ image: 'registry.test/web:2' }, objects)).outcome, 'unmatched');
  assert.equal((await receive({ type: 'PULL_ARTIFACT', event_data: {} }, objects)).outcome, 'ignored');
  assert.equal((await receive({ hello: 'world' }, objects)).outcome, 'malformed');
});

test('it is not received before every mark is written', async () => {
  const mark = (): Promise<void> => Promise.reject(new Error('the API server is away'));
  await assert.rejects(receive({ image: 'registry.test/web:1' }, [following('a')], { mark }), /is away/);
});

test('a pushed Nydus half wakes who adopts it, and nobody who makes his own', async () => {
  const adopting = acceleratedImage('adopting', {
    spec: {
      source: { image: 'registry.test/web:1' },
      target: { repository: 'nydus.test/web' },
      conversion: { mode: 'Adopt' },
    },
    status: { source: SOURCE },
  });
  const { marked } = await receive({ image: 'nydus.test/web:1-nydus', digest: NEW }, [adopting, following('own')]);
  assert.deepEqual(marked, ['adopting']);
  assert.deepEqual((await receive({ image: 'registry.test/web:1', digest: NEW }, [adopting])).marked, ['adopting']);
});
