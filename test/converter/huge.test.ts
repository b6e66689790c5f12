import assert from 'node:assert/strict';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { createGzip } from 'node:zlib';
import { buildImage, pushImage, type Layer } from '../support/image-builder.ts';
import { rawEntry } from '../support/raw-tar.ts';
import { startHarness, succeeded } from './harness.ts';
import { mountArtifact } from './mounted.ts';

const MIB = 1 << 20;
/** More than what 32 bits count. */
const SIZE = 4200 * MIB;

/** A piece of the file: unlike all others, and almost nothing once it is compressed. */
function piece(index: number): Buffer {
  const bytes = Buffer.alloc(MIB);
  bytes.write(`piece ${index} of a huge file`, 0);
  bytes.write(`end of piece ${index}`, MIB - 32);
  return bytes;
}

/** Never in memory as a whole, but for what is left of it compressed. */
async function hugeLayer(): Promise<Layer> {
  function* tar(): Generator<Buffer> {
    yield rawEntry({ name: 'huge', size: SIZE });
    for (let i = 0; i < SIZE / MIB; i += 1) {
      yield piece(i);
    }
    yield rawEntry({ name: 'last', content: 'after it' });
    yield Buffer.alloc(1024);
  }
  const body = await buffer(Readable.from(tar()).pipe(createGzip({ level: 1 })) as AsyncIterable<Buffer>);
  return { compression: 'gzip', body, tar: Buffer.alloc(0) };
}

test('a layer of more than 4 GiB with a file of that size is converted, and read at any place', async () => {
  await using harness = await startHarness();
  await pushImage(harness.host, 'huge', '1', [buildImage([await hugeLayer()])]);
  succeeded(await harness.convert('huge:1', 'huge:1-nydus'));
  await using mount = await mountArtifact(harness, 'huge', '1-nydus');
  const path = join(mount.mountpoint, 'huge');
  assert.equal((await stat(path)).size, SIZE);
  await using file = await open(path);
  for (const index of [0, 1, 2047, 2048, 4095, 4096, SIZE / MIB - 1]) {
    const bytes = Buffer.alloc(MIB);
    await file.read(bytes, 0, MIB, index * MIB);
    assert.ok(bytes.equals(piece(index)), `piece ${index}`);
  }
  await using last = await open(join(mount.mountpoint, 'last'));
  assert.equal(await last.readFile('utf8'), 'after it');
});
