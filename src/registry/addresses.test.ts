import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { guardedLookup, internalAddresses, refusalOf, RefusedAddressError } from './addresses.ts';

const INTERNAL = internalAddresses(['10.96.0.0/12', 'fd00:10::/64']);

function refused(host: string, internal?: typeof INTERNAL): boolean {
  return refusalOf(new URL(`https://${host}/`).hostname, internal) !== undefined;
}

test('the addresses of instance metadata are refused in every spelling a URL may have', () => {
  for (const host of [
    '169.254.169.254',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '[::ffff:169.254.169.254]',
    '2852039166',
    '0xa9fea9fe',
    '0251.0376.0251.0376',
  ]) {
    assert.ok(refused(host), host);
  }
});

test('other addresses and names of a registry that an admin listed are not', () => {
  for (const host of ['registry.example.com', '10.0.0.1', '127.0.0.1', '[::1]', 'localhost', 'registry.shop.svc']) {
    assert.ok(!refused(host), host);
  }
});

test('of any other registry, those of this machine and of the cluster are refused in every spelling', () => {
  for (const host of [
    '127.0.0.1',
    '127.9.9.9',
    '2130706433',
    '0.0.0.0',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    'localhost',
    'a.localhost',
    'LOCALHOST.',
    '10.96.0.1',
    '[::ffff:10.96.0.1]',
    '[fd00:10::1]',
    'registry.shop.svc',
    'registry.shop.svc.cluster.local',
    'registry.shop.svc.cluster.local.',
  ]) {
    assert.ok(refused(host, INTERNAL), host);
  }
});

test('private networks that nobody named are not: many registries are there', () => {
  for (const host of [
    '10.0.0.1',
    '192.168.1.1',
    '[fd00::1]',
    'registry.example.com',
    'svc.example.com',
    'notlocalhost',
  ]) {
    assert.ok(!refused(host, INTERNAL), host);
  }
});

test('what is no network is said', () => {
  for (const network of ['10.96.0.0', 'cluster/12', '10.96.0.0/x', '10.96.0.0/33']) {
    assert.throws(() => internalAddresses([network]), RangeError, network);
  }
});

test('a name that resolves to a refused address only does not resolve', async () => {
  type Lookup = (name: string, options: object) => Promise<LookupAddress[]>;
  const open = promisify(guardedLookup(undefined)) as unknown as Lookup;
  await assert.rejects(open('169.254.1.1', { all: true }), /link-local address/);
  const found = await open('localhost', { all: true });
  assert.ok(found.some(({ address }) => address === '127.0.0.1' || address === '::1'));
  const guarded = promisify(guardedLookup(INTERNAL)) as unknown as Lookup;
  await assert.rejects(guarded('127.0.0.1', { all: true }), RefusedAddressError);
  assert.deepEqual(await guarded('192.0.2.1', { all: true }), [{ address: '192.0.2.1', family: 4 }]);
});
