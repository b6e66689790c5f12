import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { LAYER_BOUNDS } from '../../src/converter/bounds.ts';
import type { ConvertFailure } from '../../src/converter/result.ts';
import { buildImage, layerOf, pushImage, type Layer } from '../support/image-builder.ts';
import { paxHeader, rawTar, type RawEntry } from '../support/raw-tar.ts';
import { leftovers, startHarness, type ConvertOptions, type Harness } from './harness.ts';

/** `system.posix_acl_access`: owner rw-, user 1000 r--, group r--, mask r--, others r--. */
const ACCESS_LIST = Buffer.from(
  '0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff',
  'hex',
);

let harness: Harness;
before(async () => {
  harness = await startHarness();
});
after(() => harness[Symbol.asyncDispose]());

const execute = promisify(execFile);
let images = 0;

/** Converts an image of one layer, and checks what every refusal must leave: no artifact, no upload, no file. */
async function refusal(layer: Layer, options: ConvertOptions = {}, isNamed = true): Promise<ConvertFailure> {
  images += 1;
  const repository = `refused-${images}`;
  const image = buildImage([layer]);
  await pushImage(harness.host, repository, '1', [image]);
  const result = await harness.convert(`${repository}:1`, `${repository}:1-nydus`, options);
  assert.ok(!result.ok, 'it was refused');
  const tag = await fetch(`http://${harness.host}/v2/${repository}/manifests/1-nydus`, { method: 'HEAD' });
  assert.equal(tag.status, 404, 'the tag was not made');
  assert.deepEqual(await harness.openUploads(repository), [], 'no upload was left');
  assert.deepEqual(await leftovers(harness), [], 'no file was left');
  const digest = image.blobs[1]?.digest ?? '';
  assert.ok(!isNamed || result.message.includes(digest), `the layer is named: ${result.message}`);
  return result;
}

const file = (name: string, more: Partial<RawEntry> = {}): RawEntry => ({ name, content: 'content', ...more });
const long = 'n'.repeat(256);

describe('a layer that nydus-image would get wrong, or no runtime extracts, is refused for good, with the file', () => {
  const layers: Record<string, [(Buffer | RawEntry)[], RegExp]> = {
    'a hard link to a file of a layer below': [
      [{ name: 'bin/b', type: '1', linkname: 'bin/a' }],
      /bin\/b is a hard link to bin\/a, which is not in the layer before it\. Build the image again with a copy/,
    ],
    'a hard link to a folder': [
      [
        { name: 'd/', type: '5' },
        { name: 'e', type: '1', linkname: 'd' },
      ],
      /e is a hard link to d, which is a folder/,
    ],
    'two files of the same name': [[file('a'), file('b'), file('./a')], /it has a twice.*Build the image again/],
    'a file and a folder of the same name': [[file('a'), { name: 'a/', type: '5' }], /a as a folder and as a file/],
    'a file in a file': [[file('a'), file('a/b')], /a\/b lies in a, which is no folder/],
    'a path that leads out of the image': [
      [file('../../etc/passwd')],
      /\.\.\/\.\.\/etc\/passwd leads out of the image/,
    ],
    'a path that leads out of it further in': [[file('etc/../../passwd')], /leads out of the image/],
    'links that lead nowhere but to each other': [
      [{ name: 'a', type: '2', linkname: 'b' }, { name: 'b', type: '2', linkname: 'a' }, file('a/c')],
      /a\/c leads through too many links/,
    ],
    'a name that is too long': [[paxHeader([['path', long]]), file('short')], /has 256 bytes, and Linux takes 255/],
    'a path that is too long': [
      [paxHeader([['path', 'd/'.repeat(2100)]]), file('short')],
      /Linux takes no path of 4199 bytes/,
    ],
    'headers without end': [[paxHeader([['comment', 'x'.repeat(1 << 20)]]), file('a')], /has a header of \d+ bytes/],
    'an access list': [
      [paxHeader([['SCHILY.xattr.system.posix_acl_access', ACCESS_LIST]]), file('listed')],
      /listed has an access list, which Nydus cannot keep/,
    ],
    'an attribute that nydus-image cannot read': [
      [paxHeader([['SCHILY.xattr.security.capability', Buffer.from([1, 10, 0])]]), file('bin/ping')],
      /security\.capability of bin\/ping has a line feed in its value/,
    ],
    'a whiteout of a name that nydus-image cannot read': [
      [file('kept'), { name: Buffer.from('.wh.caf\xe9', 'latin1') }],
      /takes away a file whose name is no UTF-8/,
    ],
    'an owner that Linux does not know': [[paxHeader([['uid', '4294967296']]), file('a')], /a belongs to 4294967296:0/],
    'a sparse file in the old form of GNU': [[file('a', { type: 'S', format: 'gnu' })], /a is of type "S"/],
    'a broken sparse map': [
      [
        paxHeader([
          ['GNU.sparse.major', '0'],
          ['GNU.sparse.minor', '1'],
          ['GNU.sparse.realsize', '100'],
          ['GNU.sparse.map', '90,20'],
        ]),
        file('a'),
      ],
      /the map of a sparse file is none/,
    ],
  };
  for (const [name, [parts, message]] of Object.entries(layers)) {
    test(name, async () => {
      const { reason, permanent, message: said } = await refusal(layerOf(rawTar(...parts)));
      assert.deepEqual({ reason, permanent }, { reason: 'ConversionFailed', permanent: true }, said);
      assert.match(said, message);
    });
  }

  test('a tar that ends in the middle', async () => {
    const tar = rawTar(file('a'), file('b', { content: Buffer.alloc(5000) }));
    const { permanent, message } = await refusal(layerOf(tar.subarray(0, 4000)));
    assert.ok(permanent);
    assert.match(message, /its tar ends in the middle/);
  });

  test('bytes that are no tar', async () => {
    const { permanent, message } = await refusal(layerOf(Buffer.alloc(5000, 'no tar')));
    assert.ok(permanent);
    assert.match(message, /its tar is broken: a header has a wrong checksum/);
  });
});

describe('a layer that costs too much is refused for good', () => {
  test('when it has too many files', async () => {
    const tar = rawTar(...Array.from({ length: 1001 }, (_, i) => file(`f${i}`)));
    const bounds = { ...LAYER_BOUNDS, entries: 1000 };
    const { permanent, message } = await refusal(layerOf(tar), { dependencies: { bounds } });
    assert.ok(permanent);
    assert.match(message, /it has more than 1000 files/);
  });

  test('when its folders are so wide that nydus-image would never end', async () => {
    const tar = rawTar(...Array.from({ length: 200 }, (_, i) => file(`d/f${i}`)));
    const enough = { ...LAYER_BOUNDS, comparisons: (200 * 201) / 2 + 200 };
    const { permanent, message } = await refusal(layerOf(tar), {
      dependencies: { bounds: { ...enough, comparisons: enough.comparisons - 1 } },
    });
    assert.ok(permanent);
    assert.match(message, /it has folders with so many files that nydus-image, .* Spread them over more folders/);
    await pushImage(harness.host, 'wide', '1', [buildImage([layerOf(tar)])]);
    assert.ok((await harness.convert('wide:1', 'wide:1-nydus', { dependencies: { bounds: enough } })).ok);
  });

  test('when it decompresses to too much, and nothing else is left of a bomb', async () => {
    const bomb = layerOf(rawTar(file('zeros', { content: Buffer.alloc(64 << 20) })));
    const bounds = { ...LAYER_BOUNDS, freeBytes: 1 << 20 };
    const { permanent, message } = await refusal(bomb, { dependencies: { bounds } });
    assert.ok(permanent);
    assert.match(message, /it decompresses to more than \d+ bytes, the most for \d+ bytes stored/);
  });

  test('when a bomb lies behind the end of its tar', async () => {
    const bomb = layerOf(Buffer.concat([rawTar(file('a')), Buffer.alloc(64 << 20)]));
    const { message } = await refusal(bomb, { dependencies: { bounds: { ...LAYER_BOUNDS, freeBytes: 1 << 20 } } });
    assert.match(message, /it decompresses to more than/);
  });

  test('when the holes of a sparse file are too big', async () => {
    const records = [
      ['GNU.sparse.major', '0'],
      ['GNU.sparse.minor', '1'],
      ['GNU.sparse.realsize', String(2 ** 50)],
      ['GNU.sparse.map', '0,7'],
    ] as const;
    const bounds = { ...LAYER_BOUNDS, freeBytes: 8 << 20 };
    const { message } = await refusal(layerOf(rawTar(paxHeader(records), file('a'))), { dependencies: { bounds } });
    assert.match(message, /it decompresses to more than/);
  });
});

describe('a conversion without room for its files fails for now, and says what to do', () => {
  for (const [limit, where] of [
    ['nr_inodes=5', 'not even for a pipe'],
    ['size=300k', 'for the tree of a layer'],
    ['size=600k', 'for the tree of the image'],
  ] as const) {
    test(where, async () => {
      const entries = Array.from({ length: 4000 }, (_, i) => file(`a-name-of-some-length-${i}`, { content: '' }));
      const folder = await mkdtemp(join(tmpdir(), 'full-'));
      await execute('mount', ['-t', 'tmpfs', '-o', limit, 'tmpfs', folder]);
      try {
        const full = await refusal(layerOf(rawTar(...entries)), { request: { workDir: folder } }, false);
        assert.deepEqual([full.reason, full.permanent], ['ConversionFailed', false], full.message);
        const words = new RegExp(`^there is no room left in ${folder}: free space on the node, or .*workSizeLimit`);
        assert.match(full.message, words);
        assert.deepEqual(await readdir(folder), []);
      } finally {
        await execute('umount', [folder]);
        await rm(folder, { recursive: true });
      }
    });
  }
});

test('a layer that compresses very well is converted all the same, whatever the ratio', async () => {
  const sparse = layerOf(rawTar(file('disk', { content: Buffer.alloc(64 << 20) })), 'zstd');
  assert.ok(sparse.tar.length / sparse.body.length > 1000);
  await pushImage(harness.host, 'sparse', '1', [buildImage([sparse])]);
  const result = await harness.convert('sparse:1', 'sparse:1-nydus');
  assert.ok(result.ok, JSON.stringify(result));
});

test('names from the root of the machine reach nothing there', async () => {
  const before = await readdir('/');
  const link: RawEntry = { name: 'out', type: '2', linkname: '/' };
  const layer = layerOf(rawTar(file('/slipstream-was-here'), link, file('out/slipstream-was-here-too')));
  await pushImage(harness.host, 'absolute', '1', [buildImage([layer])]);
  const result = await harness.convert('absolute:1', 'absolute:1-nydus');
  assert.ok(result.ok, JSON.stringify(result));
  assert.deepEqual(await readdir('/'), before);
});
