import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { busyboxRootfs, pushRootfs } from '../../../hack/cluster/images.ts';
import { REGISTRY } from '../../../hack/cluster/layout.ts';
import { execute } from '../../../hack/tools/process.ts';

export const PORT = 8080;
/** Serves at once. */
export const SERVE = ['httpd', '-f', '-p', String(PORT), '-h', '/www'];
/** Serves when all of its files were read, as a model server does: nothing is left to be read by the first request. */
export const READ_AND_SERVE = [
  'sh',
  '-c',
  `cat /data >/dev/null && sh /www/cgi-bin/work >/dev/null && exec ${SERVE.join(' ')}`,
];
/** `dd` blocks that answering one request moves. */
const BLOCKS = 1200;

/** Answers a request once it has moved some memory: CPU that is the same for each. */
const SCRIPT = `#!/bin/sh
dd if=/dev/zero of=/dev/null bs=64k count=${BLOCKS} 2>/dev/null
printf 'Content-Type: text/plain\\r\\n\\r\\ndone\\n'
`;

/** Pushes the service with so many bytes that no other image has, in `/data`; gives the reference. */
export async function pushService(name: string, ownBytes: number): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'slipstream-service-'));
  try {
    const root = join(work, 'root');
    await mkdir(join(root, 'www/cgi-bin'), { recursive: true });
    await writeFile(join(root, 'www/cgi-bin/work'), SCRIPT, { mode: 0o755 });
    await writeFile(join(root, 'data'), randomBytes(ownBytes));
    const layer = join(work, 'own.tar');
    await execute('tar', ['--create', '--file', layer, '--directory', root, '--owner=0', '--group=0', '.']);
    const reference = `${REGISTRY}/services/${name}:1`;
    await pushRootfs(reference, [await busyboxRootfs(), layer], { env: { PATH: '/bin' } });
    return reference;
  } finally {
    await rm(work, { recursive: true });
  }
}
