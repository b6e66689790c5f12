import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, scryptSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { checkBootstrapKey, checkCosignKey, readPrivateKey, signBytes } from './privatekey.ts';
import { isSignedBy, parsePublicKey } from './publickey.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** A key as cosign keeps it. */
function cosignKey(password: string, type = 'SIGSTORE', N = 1 << 15): string {
  const [salt, nonce] = [randomBytes(32), randomBytes(24)];
  const key = scryptSync(password, salt, 32, { N, r: 8, p: 1, maxmem: 1 << 28 });
  const ciphertext = xsalsa20poly1305(key, nonce).encrypt(privateKey.export({ type: 'pkcs8', format: 'der' }));
  const file = {
    kdf: { name: 'scrypt', params: { N, r: 8, p: 1 }, salt: salt.toString('base64') },
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
    ciphertext: Buffer.from(ciphertext).toString('base64'),
  };
  const body = Buffer.from(JSON.stringify(file)).toString('base64').replaceAll(/.{64}/g, '$&\n');
  return `-----BEGIN ENCRYPTED ${type} PRIVATE KEY-----\n${body}\n-----END ENCRYPTED ${type} PRIVATE KEY-----\n`;
}

describe('a signing key', () => {
  for (const [form, pem, password] of [
    ['as cosign writes it', cosignKey('secret'), 'secret'],
    ['as older versions of cosign wrote it', cosignKey('', 'COSIGN'), ''],
    ['as plain PKCS #8', pkcs8, ''],
    [
      'as encrypted PKCS #8',
      privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }),
      'secret',
    ],
  ] as const) {
    test(`is read ${form}, and what it signs is known by its public key`, async () => {
      const key = await readPrivateKey(pem.toString(), password, 'cosign.key');
      const known = parsePublicKey(publicKey.export({ type: 'spki', format: 'pem' }).toString());
      assert.equal(key.public.id, known.id);
      assert.ok(isSignedBy(known, Buffer.from('text'), signBytes(key, Buffer.from('text'))));
      assert.ok(!isSignedBy(known, Buffer.from('other'), signBytes(key, Buffer.from('text'))));
    });
  }

  test('with another password, or of other bytes, is refused without a word of either', async () => {
    for (const pem of [
      cosignKey('right'),
      'no key, but hunter2',
      cosignKey('right').replaceAll(/[A-Z]{8}/g, 'AAAAAAAA'),
    ]) {
      await assert.rejects(readPrivateKey(pem, 'hunter2', 'cosign.key'), (error: Error) => {
        assert.match(error.message, /^cosign\.key is not a private key/);
        assert.ok(!JSON.stringify([error.message, error.cause]).includes('hunter2'));
        return true;
      });
    }
  });

  test('that wants a machine full of memory to be decrypted is refused', async () => {
    const body = Buffer.from(
      JSON.stringify({
        kdf: { name: 'scrypt', params: { N: 1 << 30, r: 8, p: 1 }, salt: '' },
        cipher: { name: 'nacl/secretbox', nonce: '' },
        ciphertext: '',
      }),
    ).toString('base64');
    const pem = `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n${body}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----`;
    await assert.rejects(readPrivateKey(pem, '', 'cosign.key'), /is not a private key/);
  });

  test('is of a kind that all those who check it know', async () => {
    const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const key = await readPrivateKey(ed25519, '', 'cosign.key');
    assert.throws(() => checkCosignKey(key, 'cosign.key'), /ECDSA P-256/);
    assert.throws(() => checkBootstrapKey(key, 'bootstrap.key'), /RSA keys only/);
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({
      type: 'pkcs1',
      format: 'pem',
    });
    await assert.rejects(readPrivateKey(short.toString(), '', 'bootstrap.key'), /1024 bits is too short/);
  });
});

test('a private key in the place of a public one is refused', () => {
  assert.throws(() => parsePublicKey(pkcs8), /a private key stands where a public one belongs/);
  assert.throws(() => parsePublicKey('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----'), /not a public key/);
});
