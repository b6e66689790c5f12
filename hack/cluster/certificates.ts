import { webcrypto } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
// oxlint-disable-next-line import/no-unassigned-import -- tsyringe, which @peculiar/x509 is made of, wants this global first
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const VALID_MS = 30 * 24 * 60 * 60 * 1000;
const BACKDATED_MS = 60 * 60 * 1000;

/** A certificate and its key in files. */
export interface KeyPair {
  cert: string;
  key: string;
}

/** Signs certificates into a folder. */
export interface Authority extends KeyPair {
  /** A certificate for serving at these names and addresses, or (without any) for authenticating as a client. */
  issue(file: string, subject: { name: string; groups?: string[]; hosts?: string[] }): Promise<KeyPair>;
}

let serial = Date.now();

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function write(
  folder: string,
  file: string,
  cert: x509.X509Certificate,
  key: webcrypto.CryptoKey,
): Promise<KeyPair> {
  const pair = { cert: join(folder, `${file}.crt`), key: join(folder, `${file}.key`) };
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  await writeFile(pair.cert, `${cert.toString('pem')}\n`);
  await writeFile(pair.key, `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`, { mode: 0o600 });
  return pair;
}

function common(): { serialNumber: string; notBefore: Date; notAfter: Date; signingAlgorithm: typeof ALGORITHM } {
  serial += 1;
  return {
    serialNumber: serial.toString(16).padStart(16, '0'),
    notBefore: new Date(Date.now() - BACKDATED_MS),
    notAfter: new Date(Date.now() + VALID_MS),
    signingAlgorithm: ALGORITHM,
  };
}

/** Makes a certificate authority whose files go to a folder. */
export async function createAuthority(folder: string, name: string): Promise<Authority> {
  x509.cryptoProvider.set(webcrypto);
  await mkdir(folder, { recursive: true });
  const keys = await generateKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...common(),
    name: [{ CN: [name] }],
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });

  async function issue(file: string, subject: { name: string; groups?: string[]; hosts?: string[] }): Promise<KeyPair> {
    const own = await generateKeys();
    const hosts = subject.hosts ?? [];
    const names = hosts.map((host): x509.JsonGeneralName => ({
      type: /^[0-9.]+$/.test(host) ? 'ip' : 'dns',
      value: host,
    }));
    const usage = hosts.length > 0 ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
    const cert = await x509.X509CertificateGenerator.create({
      ...common(),
      subject: [...(subject.groups ?? []).map((group) => ({ O: [group] })), { CN: [subject.name] }],
      issuer: ca.subjectName,
      signingKey: keys.privateKey,
      publicKey: own.publicKey,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      ],
    });
    return write(folder, file, cert, own.privateKey);
  }
  return { ...(await write(folder, name, ca, keys.privateKey)), issue };
}

/** Makes the key pair that service account tokens are signed with: `cert` is the bare public key. */
export async function createSigningKeys(folder: string, file: string): Promise<KeyPair> {
  const keys = await generateKeys();
  const pair = { cert: join(folder, `${file}.pub`), key: join(folder, `${file}.key`) };
  const [publicDer, privateDer] = await Promise.all([
    webcrypto.subtle.exportKey('spki', keys.publicKey),
    webcrypto.subtle.exportKey('pkcs8', keys.privateKey),
  ]);
  await writeFile(pair.cert, `${x509.PemConverter.encode(publicDer, 'PUBLIC KEY')}\n`);
  await writeFile(pair.key, `${x509.PemConverter.encode(privateDer, 'PRIVATE KEY')}\n`, { mode: 0o600 });
  return pair;
}
