import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../test/gen/random.ts';
import { mutated, type Json } from '../../test/gen/pods.ts';
import { parseNotification } from './parse.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

/** As distribution 3.1 sends it, all fields of it. */
const DISTRIBUTION: Json = {
  events: [
    {
      id: '320678d8-ca14-430f-8bb6-4ca139cd83f7',
      timestamp: '2026-11-23T14:22:53.059Z',
      action: 'push',
      target: {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: DIGEST,
        size: 708,
        length: 708,
        repository: 'shop/web',
        url: `http://registry.test:5000/v2/shop/web/manifests/${DIGEST}`,
        tag: '1.4',
      },
      request: { id: '6df24a34', addr: '10.0.0.7:53218', host: 'Registry.test:5000', method: 'PUT', useragent: 'curl' },
      actor: {},
      source: { addr: 'registry-0:5000', instanceID: '85f75a41' },
    },
  ],
};
/** As Harbor's documentation has it, and as its code makes it. */
const EVENT_DATA = {
  resources: [{ digest: DIGEST, tag: '1.4', resource_url: 'harbor.test/shop/web:1.4' }],
  repository: {
    date_created: 1_680_502_007,
    name: 'web',
    namespace: 'shop',
    repo_full_name: 'shop/web',
    repo_type: 'private',
  },
};
const HARBOR: Json = { type: 'PUSH_ARTIFACT', occur_at: 1_680_502_375, operator: 'admin', event_data: EVENT_DATA };
const CLOUD_EVENT: Json = {
  specversion: '1.0',
  id: '12d5dfa3-5b5f-4b5b-8a5a-6d4b4fdb9cbe',
  requestid: 'aa56f8bd',
  source: '/projects/2/webhook/policies/15',
  type: 'harbor.artifact.pushed',
  datacontenttype: 'application/json',
  time: '2026-11-23T02:25:55Z',
  operator: 'admin',
  data: EVENT_DATA,
};
const GENERIC: Json = { image: 'registry.test/shop/web:1.4', digest: DIGEST };

function parse(value: unknown): ReturnType<typeof parseNotification> {
  return parseNotification(JSON.stringify(value));
}

function event(change: Json, target: Json = {}): Json {
  const [first] = DISTRIBUTION['events'] as [Json];
  return { events: [{ ...first, ...change, target: { ...(first['target'] as Json), ...target } }] };
}

test('each form says which tag was pushed, and to which host as it knows it', () => {
  const pushed = { repository: 'shop/web', tag: '1.4', digest: DIGEST };
  assert.deepEqual(parse(DISTRIBUTION), { form: 'distribution', pushed: [{ ...pushed, host: 'registry.test:5000' }] });
  assert.deepEqual(parse(HARBOR), { form: 'harbor', pushed: [{ ...pushed, host: 'harbor.test' }] });
  assert.deepEqual(parse(CLOUD_EVENT), { form: 'harbor', pushed: [{ ...pushed, host: 'harbor.test' }] });
  assert.deepEqual(parse(GENERIC), { form: 'generic', pushed: [{ ...pushed, host: 'registry.test' }] });
});

test('an image is named as Pods name it, and its digest may be left out', () => {
  assert.deepEqual(parse({ image: 'nginx' })?.pushed, [
    { host: 'docker.io', repository: 'library/nginx', tag: 'latest', digest: undefined },
  ]);
});

test('blobs, pushes by digest, pulls and deletions say nothing of a tag', () => {
  for (const other of [
    event({ action: 'pull' }),
    event({ action: 'delete' }),
    event({}, { tag: undefined }),
    event({}, { tag: '' }),
    { events: [] },
    { ...HARBOR, type: 'PULL_ARTIFACT' },
    { ...HARBOR, type: 'SCANNING_COMPLETED', event_data: { scan: {} } },
    { ...CLOUD_EVENT, type: 'harbor.artifact.deleted' },
    { ...HARBOR, event_data: { ...EVENT_DATA, resources: [{ digest: DIGEST, tag: DIGEST }] } },
    { image: `registry.test/shop/web@${DIGEST}` },
  ]) {
    assert.deepEqual(parse(other)?.pushed, [], JSON.stringify(other));
  }
});

test('what is of no form is none', () => {
  for (const body of [
    '',
    '{',
    'null',
    '7',
    '[]',
    '{}',
    '"image"',
    '{"image":7}',
    '{"image":"UPPER/case:1"}',
    '[{"image":"a"}]',
  ]) {
    assert.equal(parseNotification(body), undefined, body);
  }
  for (const value of [
    { events: [{}] },
    { events: Array.from({ length: 101 }, () => (DISTRIBUTION['events'] as Json[])[0]) },
    event({}, { repository: 'a'.repeat(256) }),
    { ...HARBOR, event_data: {} },
    { ...HARBOR, event_data: null },
    { ...CLOUD_EVENT, data: 'text' },
    { type: 'PUSH_ARTIFACT' },
  ]) {
    assert.equal(parse(value), undefined, JSON.stringify(value).slice(0, 200));
  }
});

test('whatever comes in, what comes out is a tag of a bounded length, or nothing', () => {
  const random = seededRandom(4);
  for (let round = 0; round < 5000; round += 1) {
    const value = mutated(random, random.pick([DISTRIBUTION, HARBOR, CLOUD_EVENT, GENERIC]));
    for (const { host = '', repository, tag } of parse(value)?.pushed ?? []) {
      assert.match(tag, /^\w[\w.-]{0,127}$/);
      assert.ok(repository.length > 0 && repository.length <= 255 && host.length <= 260);
    }
  }
});
