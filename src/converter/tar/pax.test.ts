import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodePax, encodePax } from './pax.ts';

test('records come out as they went in, whatever their values hold and however long they are', () => {
  const records = [
    ['path', Buffer.from('a\nb=c')],
    ['SCHILY.xattr.user.a', Buffer.from([0, 10, 255])],
    ...[80, 90, 91, 92, 93, 94, 95, 980, 990, 995].map((size) => [`x${size}`, Buffer.alloc(size, 'x')] as const),
  ] as const;
  assert.deepEqual(decodePax(encodePax(records)), records);
});

test('the length of a record counts its own digits', () => {
  assert.equal(encodePax([['path', Buffer.from('abc')]]).toString(), '12 path=abc\n');
  assert.equal(encodePax([['a', Buffer.alloc(5, 'b')]]).toString(), '11 a=bbbbb\n');
  assert.equal(encodePax([['a', Buffer.alloc(94, 'b')]]).length, 100 + 1);
});

for (const broken of ['path=abc\n', '99 path=abc\n', '12 path=abcd', '0 a=b\n', '-1 a=b\n', '6 abcd\n']) {
  test(`${JSON.stringify(broken)} is no record`, () => {
    assert.throws(() => decodePax(Buffer.from(broken)), /a PAX header has a record that is none/);
  });
}
