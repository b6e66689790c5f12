import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FollowedTags } from './followed.ts';

function followed(
  images: Readonly<Record<string, string | readonly string[]>>,
  hosts: readonly string[] = [],
): FollowedTags {
  const tags = new FollowedTags(hosts);
  for (const [key, image] of Object.entries(images)) {
    tags.set(key, [image].flat());
  }
  return tags;
}

const WEB = { repository: 'shop/web', tag: '1' };

test('everybody who follows the tag is found, and nobody who follows another one', () => {
  const tags = followed({ a: 'r.test/shop/web:1', b: 'r.test/shop/web:1', c: 'r.test/shop/web:2', d: 'r.test/web:1' });
  assert.deepEqual(tags.followersOf({ ...WEB, host: 'r.test' }), ['a', 'b']);
});

test('a host that images name is taken at its word', () => {
  const tags = followed({ a: 'r.test/shop/web:1', b: 'other.test/shop/web:1' });
  assert.deepEqual(tags.followersOf({ ...WEB, host: 'other.test' }), ['b']);
});

test('so is one that is configured, though no image is there', () => {
  const tags = followed({ a: 'r.test/shop/web:1' }, ['other.test']);
  assert.deepEqual(tags.followersOf({ ...WEB, host: 'other.test' }), []);
});

test('by a name that nobody knows, or by none, repository and tag decide', () => {
  const tags = followed({ a: 'r.test/shop/web:1', b: 'other.test/shop/web:1' });
  assert.deepEqual(tags.followersOf({ ...WEB, host: 'registry.registry.svc:5000' }), ['a', 'b']);
  assert.deepEqual(tags.followersOf({ ...WEB, host: undefined }), ['a', 'b']);
});

test("Docker Hub's names are one", () => {
  const tags = followed({ a: 'nginx:1', b: 'r.test/library/nginx:1' });
  const nginx = { repository: 'library/nginx', tag: '1' };
  assert.deepEqual(tags.followersOf({ ...nginx, host: 'index.docker.io' }), ['a']);
});

test('a digest is not followed, nor what is no image', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const tags = followed({ a: `r.test/shop/web:1@${digest}`, b: `r.test/shop/web@${digest}`, c: 'r.test/UPPER:1' });
  assert.deepEqual(tags.followersOf({ ...WEB, host: undefined }), []);
});

test('who follows another tag now, or is gone, is not found any more, nor is the host of nobody', () => {
  const tags = followed({ a: 'r.test/shop/web:1', b: 'other.test/shop/web:1' });
  tags.set('b', ['r.test/shop/web:2']);
  assert.deepEqual(tags.followersOf({ ...WEB, host: 'other.test' }), ['a'], 'nobody knows that host any more');
  tags.delete('a');
  tags.delete('a');
  assert.deepEqual(tags.followersOf({ ...WEB, host: undefined }), []);
  assert.deepEqual(tags.followersOf({ ...WEB, tag: '2', host: 'r.test' }), ['b']);
});

test('who follows several tags is found by each, once, until it follows others', () => {
  const tags = followed({ a: ['r.test/shop/web:1', 'other.test/nydus/web:1-nydus'] });
  const nydus = { repository: 'nydus/web', tag: '1-nydus' };
  assert.deepEqual(tags.followersOf({ ...WEB, host: 'r.test' }), ['a']);
  assert.deepEqual(tags.followersOf({ ...nydus, host: 'other.test' }), ['a']);
  assert.deepEqual(tags.followersOf({ ...nydus, host: 'r.test' }), [], 'the half of another registry');
  tags.set('a', ['r.test/shop/web:1']);
  assert.deepEqual(tags.followersOf({ ...nydus, host: undefined }), []);
  assert.deepEqual(tags.followersOf({ ...WEB, host: undefined }), ['a']);
});
