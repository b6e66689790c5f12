import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { guardedLookup, isForbiddenHost } from './addresses.ts';

test('the addresses of instance metadata are forbidden in every spelling a URL may have', () => {
  for (const host of ['169.254.169.254', '[fe80::1]', '[fd00:ec2::254]', '[::ffff:169.254.169.254]']) {
    assert.ok(isForbiddenHost(new URL(`https://${host}/`).hostname), host);
  }
  for (const host of ['2852039166', '0xa9fea9fe', '0251.0376.0251.0376']) {
    assert.ok(isForbiddenHost(new URL(`https://${host}/`).hostname), host);
  }
});

test('other addresses and names are not', () => {
  for (const host of ['registry.example.com', '10.0.0.1', '127.0.0.1', '[::1]', '[fd00::1]', '169.253.0.1']) {
    assert.ok(!isForbiddenHost(new URL(`https://${host}/`).hostname), host);
  }
});

test('a name that resolves to a forbidden address only does not resolve', async () => {
  const lookup = promisify(guardedLookup) as unknown as (name: string, options: object) => Promise<LookupAddress[]>;
  await assert.rejects(lookup('169.254.1.1', { all: true }), /link-local addresses only/);
  const found = await lookup('localhost', { all: true });
  assert.ok(found.some(({ address }) => address === '127.0.0.1' || address === '::1'));
});
