import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownTag } from './owntag.ts';

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;

test("an artifact's own tag tells which tag it was made for, and which artifact it is", () => {
  assert.equal(ownTag('1.4-nydus', digest), '1.4-nydus-0123456789ab');
});

test('it is never longer than a tag may be', () => {
  const tag = ownTag('a'.repeat(128), digest);
  assert.equal(tag.length, 128);
  assert.match(tag, /a-0123456789ab$/);
});
