import { createPrivateKey, createPublicKey, scrypt, sign, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { z } from 'zod';
import { KeyError } from './errors.ts';
import { describeKey, type PublicKey } from './publickey.ts';

const COSIGN_PEM =
  /-----BEGIN ENCRYPTED (?:COSIGN|SIGSTORE) PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END ENCRYPTED (?:COSIGN|SIGSTORE) PRIVATE KEY-----/;
/** Bytes of memory that a key may take to be decrypted: four times what the strongest setting of cosign takes. */
const SCRYPT_MAX = 512 * 1024 * 1024;

const Bytes = z.base64().transform((text) => Buffer.from(text, 'base64'));

/** github.com/secure-systems-lab/go-securesystemslib/encrypted, which cosign keeps keys with. */
const Encrypted = z.object({
  kdf: z.object({
    name: z.literal('scrypt'),
    params: z.object({
      N: z
        .int()
        .min(2)
        .max(1 << 17),
      r: z.int().min(1).max(8),
      p: z.int().min(1).max(1),
    }),
    salt: Bytes,
  }),
  cipher: z.object({ name: z.literal('nacl/secretbox'), nonce: Bytes }),
  ciphertext: Bytes,
});

/** A key that signs. */
export interface SigningKey {
  key: KeyObject;
  public: PublicKey;
}

/**
 * Reads a private key: as `cosign generate-key-pair` writes it, encrypted by a password, or as PEM of PKCS #8, PKCS #1 or SEC 1.
 * @param name what the key is, for the message.
 * @throws KeyError, which never holds anything of key or password.
 */
export async function readPrivateKey(pem: string, password: string, name: string): Promise<SigningKey> {
  try {
    const encrypted = COSIGN_PEM.exec(pem)?.[1];
    const key =
      encrypted === undefined
        ? createPrivateKey({ key: pem, format: 'pem', ...(password === '' ? {} : { passphrase: password }) })
        : createPrivateKey({ key: await decrypt(encrypted, password), format: 'der', type: 'pkcs8' });
    return { key, public: describeKey(createPublicKey(key)) };
  } catch (error) {
    if (error instanceof KeyError) {
      throw new KeyError(`${name}: ${error.message}`);
    }
    // Errors of the parsers may quote what they were given.
    throw new KeyError(`${name} is not a private key in PEM, or its password is another one`);
  }
}

async function decrypt(body: string, password: string): Promise<Buffer> {
  const { kdf, cipher, ciphertext } = Encrypted.parse(JSON.parse(Buffer.from(body, 'base64').toString('utf8')));
  const { N, r, p } = kdf.params;
  const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);
  const key = await derive(password, kdf.salt, 32, { N, r, p, maxmem: SCRYPT_MAX });
  return Buffer.from(xsalsa20poly1305(key, cipher.nonce).decrypt(ciphertext));
}

/**
 * Makes sure that every version of cosign checks this key's signatures alike.
 * @throws KeyError
 */
export function checkCosignKey({ key }: SigningKey, name: string): void {
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType !== 'rsa' && namedCurve !== 'prime256v1') {
    throw new KeyError(`${name}: sign with an ECDSA P-256 key, as cosign generate-key-pair makes it, or with RSA`);
  }
}

/**
 * Makes sure that nydus-snapshotter can check this key's signatures (pkg/utils/signer: RSA, PKCS #1 v1.5, SHA-256).
 * @throws KeyError
 */
export function checkBootstrapKey({ key }: SigningKey, name: string): void {
  if (key.asymmetricKeyType !== 'rsa') {
    throw new KeyError(`${name}: nydus-snapshotter takes RSA keys only; make one with openssl genrsa 3072`);
  }
}

/** Signs bytes by their SHA-256: ECDSA in DER, RSA by PKCS #1 v1.5. */
export function signBytes({ key }: SigningKey, bytes: Buffer): Buffer {
  return sign('sha256', bytes, key);
}
