import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { packBootstrap, type BootstrapFile } from './bootstrap.ts';

const never = new AbortController().signal;
let folder: string;
let files: BootstrapFile[];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bootstrap-'));
  files = [
    { name: 'image.boot', path: join(folder, 'boot') },
    { name: `${'a'.repeat(64)}.blob.meta`, path: join(folder, 'meta') },
    { name: `${'b'.repeat(64)}.blob.meta`, path: join(folder, 'empty') },
  ];
  await writeFile(join(folder, 'boot'), Buffer.alloc(3 << 20, 'tree'));
  await writeFile(join(folder, 'meta'), 'table');
  await writeFile(join(folder, 'empty'), '');
});
after(() => rm(folder, { recursive: true }));

test('the bootstrap layer holds image.boot and the chunk tables below image/, as nydusify packs them', async () => {
  const path = join(folder, 'layer.tar.gz');
  await packBootstrap(files, path, never);
  const entries: object[] = [];
  for await (const entry of Readable.from([gunzipSync(await readFile(path))]).pipe(extract())) {
    const { name, type, mode, size, uid, gid, mtime } = entry.header;
    const content = Buffer.concat(await Readable.from(entry).toArray())
      .subarray(0, 5)
      .toString();
    entries.push({ name, type, mode, size, uid, gid, mtime: mtime?.getTime(), content });
  }
  const common = { uid: 0, gid: 0, mtime: 0 };
  const file = { ...common, type: 'file', mode: 0o444 };
  assert.deepEqual(entries, [
    { ...common, name: 'image', type: 'directory', mode: 0o755, size: 0, content: '' },
    { ...file, name: 'image/image.boot', size: 3 << 20, content: 'treet' },
    { ...file, name: `image/${'a'.repeat(64)}.blob.meta`, size: 5, content: 'table' },
    { ...file, name: `image/${'b'.repeat(64)}.blob.meta`, size: 0, content: '' },
  ]);
});

test('digest, size and diff ID are those of the bytes that were written', async () => {
  const path = join(folder, 'layer.tar.gz');
  const layer = await packBootstrap(files, path, never);
  const bytes = await readFile(path);
  const sha256 = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;
  assert.deepEqual(layer, { digest: sha256(bytes), size: bytes.length, diffID: sha256(gunzipSync(bytes)) });
});

test('the same files make the same layer, whenever they were written', async () => {
  const first = await packBootstrap(files, join(folder, 'first'), never);
  await utimes(join(folder, 'boot'), new Date(1e12), new Date(1e12));
  assert.deepEqual(await packBootstrap(files, join(folder, 'second'), never), first);
});

test('a file that is not there fails the packing instead of leaving a shorter layer', async () => {
  const missing = [...files, { name: 'missing', path: join(folder, 'missing') }];
  await assert.rejects(packBootstrap(missing, join(folder, 'third'), never), { code: 'ENOENT' });
});

test('packing stops when it is told to', async () => {
  const stop = AbortSignal.abort(new Error('stopped'));
  await assert.rejects(packBootstrap(files, join(folder, 'fourth'), stop));
});
