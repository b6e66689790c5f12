import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toolPath } from '../../hack/tools/locate.ts';

/** A key pair as `cosign generate-key-pair` made it. */
export interface CosignKeys {
  /** File of the encrypted private key, and of the public key. */
  privateKey: string;
  publicKey: string;
  privatePem: string;
  publicPem: string;
  password: string;
}

const PASSWORD = 'only of this test';
/** No transparency log: nothing of a test leaves the machine. */
const OFFLINE = ['--use-signing-config=false', '--tlog-upload=false'];

/** Runs cosign in a folder of its own. @returns standard output. */
export async function cosign(folder: string, ...args: string[]): Promise<string> {
  const env = { HOME: folder, COSIGN_PASSWORD: PASSWORD };
  const { stdout } = await promisify(execFile)(toolPath('cosign'), args, { cwd: folder, env, timeout: 60_000 });
  return stdout;
}

/** Makes a key pair. */
export async function generateKeys(folder: string, name: string): Promise<CosignKeys> {
  await cosign(folder, 'generate-key-pair', '--output-key-prefix', name);
  const [privateKey, publicKey] = [join(folder, `${name}.key`), join(folder, `${name}.pub`)];
  const [privatePem, publicPem] = [await readFile(privateKey, 'utf8'), await readFile(publicKey, 'utf8')];
  return { privateKey, publicKey, privatePem, publicPem, password: PASSWORD };
}

/** Signs an image: as a bundle that refers to it, or, in the layout of cosign 1 and 2, under a tag. */
export async function signImage(
  folder: string,
  image: string,
  { privateKey }: CosignKeys,
  layout: 'bundle' | 'tag',
): Promise<void> {
  const format = `--new-bundle-format=${layout === 'bundle'}`;
  await cosign(folder, 'sign', '--yes', '--allow-insecure-registry', '--key', privateKey, format, ...OFFLINE, image);
}
