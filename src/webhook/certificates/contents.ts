import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Secret } from '../../kube/resources.ts';
import type { Certificate } from '../server.ts';

/** What the Secret holds, all PEM. */
export interface SecretContents {
  /** Certificates of authorities, the current one first. Those before it stay until they expire. */
  readonly bundle: readonly string[];
  /** Key of the current authority. */
  readonly authorityKey: string;
  /** The serving certificate. */
  readonly cert: string;
  readonly key: string;
}

/** A Secret of this type must hold `tls.crt` and `tls.key`; the others are ours. */
export const SECRET_TYPE = 'kubernetes.io/tls';

const KEYS = { bundle: 'ca.crt', authorityKey: 'ca.key', cert: 'tls.crt', key: 'tls.key' } as const;

/** `data` of the Secret. */
export function encodeContents(contents: SecretContents): Record<string, string> {
  return {
    [KEYS.bundle]: base64(contents.bundle.join('')),
    [KEYS.authorityKey]: base64(contents.authorityKey),
    [KEYS.cert]: base64(contents.cert),
    [KEYS.key]: base64(contents.key),
  };
}

/** What a Secret holds; empty strings for what is missing. */
export function decodeContents({ data }: Secret): SecretContents {
  return {
    bundle: splitPEM(text(data?.[KEYS.bundle])),
    authorityKey: text(data?.[KEYS.authorityKey]),
    cert: text(data?.[KEYS.cert]),
    key: text(data?.[KEYS.key]),
  };
}

/** The serving certificate of a Secret, if it holds one that fits its key. */
export function servingCertificate(secret: Secret): Certificate | undefined {
  const { cert, key } = decodeContents(secret);
  const certificate = readCertificate(cert);
  return certificate !== undefined && fitsKey(certificate, key) ? { cert, key } : undefined;
}

/** `caBundle` of a webhook's clientConfig. */
export function caBundleOf({ bundle }: SecretContents): string {
  return base64(bundle.join(''));
}

/** A certificate, or undefined where the PEM is none. */
export function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** Whether a private key belongs to a certificate. */
export function fitsKey(certificate: X509Certificate, key: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    // No key at all.
    return false;
  }
}

function splitPEM(text: string): readonly string[] {
  return (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => `${pem}\n`);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function text(encoded: string | undefined): string {
  return Buffer.from(encoded ?? '', 'base64').toString();
}
