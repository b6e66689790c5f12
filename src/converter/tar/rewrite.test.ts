import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { gnuLong, paxHeader, rawTar } from '../../../test/support/raw-tar.ts';
import { LAYER_BOUNDS, layerMeter } from '../bounds.ts';
import { byteReader } from './bytes.ts';
import { emptyContents } from './contents.ts';
import { nextEntry } from './entry.ts';
import { padding } from './header.ts';
import { rewriteTar } from './rewrite.ts';

/** What nydus-image is shown of a tar. */
async function rewritten(chunks: Iterable<Buffer>): Promise<Buffer> {
  const meter = layerMeter(0, LAYER_BOUNDS);
  const parts = await Readable.from(rewriteTar(Readable.from(chunks), emptyContents(), meter)).toArray();
  return Buffer.concat(parts as Buffer[]);
}

/** Names and contents of a tar. */
async function listing(tar: Buffer): Promise<[string, string][]> {
  const bytes = byteReader(Readable.from([tar]));
  const all: [string, string][] = [];
  for (let entry = await nextEntry(bytes); entry !== undefined; entry = await nextEntry(bytes)) {
    const content = (await bytes.take(entry.size)) ?? Buffer.alloc(0);
    await bytes.take(padding(entry.size));
    all.push([`${entry.type} ${entry.name} ${entry.linkname} ${entry.uid}:${entry.gid}`.trim(), content.toString()]);
  }
  return all;
}

const long = 'l'.repeat(120);
const tar = rawTar(
  paxHeader([['comment', 'of all']], 'g'),
  { name: './', type: '5' },
  { name: 'd/', type: '5' },
  paxHeader([
    ['path', `d/${long}`],
    ['uid', '4000000000'],
  ]),
  { name: 'short', content: 'pax' },
  { name: 'd/', type: '5' },
  gnuLong('K', long),
  { name: 'link', type: '2', format: 'gnu' },
  gnuLong('K', `./d/${long}`),
  { name: '/m', type: '1', format: 'gnu' },
  { name: 'n', type: '1', linkname: 'm' },
  { name: '.wh.gone' },
  { name: '.wh.gone' },
);

test('a tar is rewritten to what nydus-image reads right', async () => {
  assert.deepEqual(await listing(await rewritten([tar])), [
    ['5 d  0:0', ''],
    [`0 d/${long}  4000000000:0`, 'pax'],
    [`2 link ${long} 0:0`, ''],
    [`1 m d/${long} 0:0`, ''],
    [`1 n d/${long} 0:0`, ''],
    ['0 .wh.gone  0:0', ''],
  ]);
});

test('a rewritten tar stays as it is', async () => {
  const once = await rewritten([tar]);
  assert.ok((await rewritten([once])).equals(once));
});

test('the chunks that a tar comes in make no difference', async () => {
  const whole = await rewritten([tar]);
  for (const size of [1, 7, 511, 512, 513, 1000]) {
    const chunks = Array.from({ length: Math.ceil(tar.length / size) }, (_, i) =>
      tar.subarray(i * size, (i + 1) * size),
    );
    assert.ok((await rewritten(chunks)).equals(whole), `chunks of ${size} bytes`);
  }
});

describe('the end of a tar', () => {
  test('may lack, as long as no file does', async () => {
    const open = tar.subarray(0, tar.length - 1024);
    assert.ok((await rewritten([open])).equals(await rewritten([tar])));
    assert.equal((await rewritten([])).length, 1024);
  });

  test('is read past, so that the digest of a layer is checked, but nothing there counts', async () => {
    let ended = false;
    function* chunks(): Generator<Buffer> {
      yield tar;
      yield rawTar({ name: 'hidden', content: 'behind' });
      ended = true;
    }
    assert.ok((await rewritten(chunks())).equals(await rewritten([tar])));
    assert.ok(ended);
  });

  test('in the middle of a file or between two of them is an error', async () => {
    await assert.rejects(rewritten([tar.subarray(0, tar.length - 1024 - 700)]), /ends in the middle/);
    const gap = Buffer.concat([Buffer.alloc(512), tar]);
    await assert.rejects(rewritten([gap]), /a block of zeros stands between/);
  });
});
