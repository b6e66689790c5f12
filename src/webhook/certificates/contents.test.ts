import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Secret } from '../../kube/resources.ts';
import { decodeContents, encodeContents, servingCertificate } from './contents.ts';
import { renew } from './policy.ts';

const NOW = new Date('2026-03-01T00:00:00Z');

function secret(data: Record<string, string> | undefined): Secret {
  return { metadata: { name: 'tls' }, ...(data === undefined ? {} : { data }) };
}

test('what is encoded into a Secret is read back, with every authority of the bundle', async () => {
  const created = await renew('create', undefined, ['localhost'], NOW);
  const contents = await renew('rotate-ca', created, ['localhost'], NOW);
  assert.equal(contents.bundle.length, 2);
  assert.deepEqual(decodeContents(secret(encodeContents(contents))), contents);
});

test('a Secret without data reads as empty', () => {
  const empty = { bundle: [], authorityKey: '', cert: '', key: '' };
  assert.deepEqual(decodeContents(secret(undefined)), empty);
  assert.deepEqual(decodeContents(secret({ 'ca.crt': '%%%', 'tls.crt': '' })), empty);
});

test('only a certificate with its own key can be served', async () => {
  const contents = await renew('create', undefined, ['localhost'], NOW);
  const other = await renew('create', undefined, ['localhost'], NOW);
  const { cert, key } = contents;
  assert.deepEqual(servingCertificate(secret(encodeContents(contents))), { cert, key });
  assert.equal(servingCertificate(secret(encodeContents({ ...contents, key: other.key }))), undefined);
  assert.equal(servingCertificate(secret(undefined)), undefined);
});
