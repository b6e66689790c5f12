import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { KeyError } from './errors.ts';

/** What an elliptic curve's signatures may hash with: what fits its size, and SHA-256, which cosign takes for all of them. */
const CURVE_HASHES: Readonly<Record<string, readonly string[]>> = {
  prime256v1: ['sha256'],
  secp384r1: ['sha384', 'sha256'],
  secp521r1: ['sha512', 'sha256'],
};
const RSA_BITS_MIN = 2048;

/** A public key and how signatures by it are checked. */
export interface PublicKey {
  key: KeyObject;
  /** `sha256:` and the digest of the key (SubjectPublicKeyInfo, DER): two texts of one key have the same. */
  id: string;
  /** Names of hashes; null for a key that signs the message itself. */
  hashes: readonly (string | null)[];
}

/**
 * Reads a public key as `cosign generate-key-pair` writes it: PEM of an ECDSA, RSA or Ed25519 key.
 * @throws KeyError
 */
export function parsePublicKey(pem: string): PublicKey {
  if (pem.includes('PRIVATE KEY')) {
    throw new KeyError('a private key stands where a public one belongs; replace it, and take it for lost');
  }
  try {
    return describeKey(createPublicKey(pem));
  } catch (error) {
    throw error instanceof KeyError ? error : new KeyError('it is not a public key in PEM');
  }
}

/**
 * How signatures by a key are checked.
 * @throws KeyError for kinds of keys that cosign does not sign with, and those that are too weak.
 */
export function describeKey(key: KeyObject): PublicKey {
  const id = `sha256:${createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')}`;
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return { key, id, hashes: [null] };
    case 'rsa':
      if (modulusLength < RSA_BITS_MIN) {
        throw new KeyError(`an RSA key of ${modulusLength} bits is too short; take ${RSA_BITS_MIN} or more`);
      }
      return { key, id, hashes: ['sha256'] };
    case 'ec': {
      const hashes = CURVE_HASHES[namedCurve];
      if (hashes === undefined) {
        throw new KeyError(`keys of the curve ${namedCurve} are not supported; take P-256`);
      }
      return { key, id, hashes };
    }
    default:
      throw new KeyError(`keys of the kind ${String(key.asymmetricKeyType)} are not supported; take ECDSA P-256`);
  }
}

/** Whether a signature is one of these bytes by this key. What is no signature at all is none. */
export function isSignedBy({ key, hashes }: PublicKey, bytes: Buffer, signature: Buffer): boolean {
  return hashes.some((hash) => {
    try {
      return verify(hash, bytes, key, signature);
    } catch {
      return false;
    }
  });
}
