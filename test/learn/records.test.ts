import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { load } from 'js-yaml';
import { answerAgentRequest, openTree } from '../../src/learn/agent.ts';
import { getFromSocket } from '../../src/learn/socket.ts';
import { readTree, TreeError } from '../../src/rafs/tree.ts';
import type { Manifest } from '../../src/registry/schema.ts';
import { startHarness, succeeded, type Harness } from '../converter/harness.ts';
import { richLayers } from '../converter/images.ts';
import { seededRandom } from '../gen/random.ts';
import { MAIN, run } from '../support/cli.ts';
import { buildImage, buildTar, directory, file, layerOf, pushImage, type Layer } from '../support/image-builder.ts';
import { mountNydus, type NydusMount } from '../support/nydus-mount.ts';

/** In the order in which they are read. */
const READS = ['/srv/file-499', '/etc/replaced', '/var/zeros', '/home/user/ein Wort für jeden'];
const NEVER = new AbortController().signal;

let harness: Harness;
let folder: string;
let layers: Layer[];

before(async () => {
  harness = await startHarness();
  folder = await mkdtemp(join(tmpdir(), 'learn-test-'));
  layers = [...(await richLayers()), await attributedDirectories()];
});
after(async () => {
  await harness[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Directories with extended attributes, which lie before their entries, and one of several blocks. */
async function attributedDirectories(): Promise<Layer> {
  const many = Array.from({ length: 400 }, (_, i) => file(`big/${'n'.repeat(i % 30)}-${i}`, `${i}`));
  const xattrs = { 'user.first': 'a value', 'user.second': 'another' };
  return layerOf(
    await buildTar([
      directory('attributed/', { xattrs }),
      file('attributed/one', '1'),
      file('attributed/two', '2'),
      directory('big/', { xattrs }),
      ...many,
    ]),
  );
}

/** Converts the image and gives the path of the artifact's tree. */
async function convert(repository: string, format: 'RafsV6' | 'RafsV5'): Promise<string> {
  await pushImage(harness.host, repository, '1', [buildImage(layers)]);
  succeeded(await harness.convert(`${repository}:1`, `${repository}:1-nydus`, { request: { format } }));
  const { layers: parts } = await harness.manifest<Manifest>(repository, '1-nydus');
  const target = await mkdtemp(join(folder, 'bootstrap-'));
  const tar = spawn('tar', ['-xzf', '-', '-C', target], { stdio: ['pipe', 'inherit', 'inherit'] });
  tar.stdin.end(await harness.storedBlob(parts.at(-1)?.digest ?? ''));
  await once(tar, 'close');
  return join(target, 'image/image.boot');
}

/** What the file system itself says: path and size of each regular file by inode number. */
async function filesOf({ mountpoint }: NydusMount): Promise<Map<number, { paths: string[]; bytes: number }>> {
  const files = new Map<number, { paths: string[]; bytes: number }>();
  // Without the types of the entries it would follow symbolic links, out of the image.
  for (const entry of await readdir(mountpoint, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      const stat = await lstat(path, { bigint: true });
      // nydusd counts its file systems in the highest byte.
      const inode = Number(stat.ino & ((1n << 56n) - 1n));
      const { paths } = files.get(inode) ?? { paths: [] };
      files.set(inode, { paths: [...paths, path.slice(mountpoint.length)], bytes: Number(stat.size) });
    }
  }
  return files;
}

for (const format of ['RafsV6', 'RafsV5'] as const) {
  describe(`with a real nydusd and an artifact in ${format}`, () => {
    let bootstrap: string;
    let mount: NydusMount;

    before(async () => {
      const repository = `learn-${format.toLowerCase()}`;
      bootstrap = await convert(repository, format);
      mount = await mountNydus(bootstrap, { type: 'registry', host: harness.host, repository }, { records: true });
    });
    after(() => mount?.[Symbol.asyncDispose]());

    test('the tree has every regular file of the image under the number and with the size that it is mounted with', async () => {
      const tree = await openTree(bootstrap, NEVER);
      const files = await filesOf(mount);
      assert.deepEqual(new Set(tree.keys()), new Set(files.keys()));
      for (const [inode, { path, bytes }] of tree) {
        assert.ok(files.get(inode)?.paths.includes(path), path);
        assert.equal(bytes, files.get(inode)?.bytes, path);
      }
    });

    test('the list is the files that were read, in that order, and none that were only looked at', async () => {
      for (const path of [...READS, '/usr/bin/alias']) {
        await readFile(join(mount.mountpoint, path));
      }
      await lstat(join(mount.mountpoint, 'etc/passwd'));
      await readFile(join(mount.mountpoint, READS[0] ?? ''));

      const request = { do: 'read', socket: mount.socket, instance: '/42', bootstrap };
      const answer = await answerAgentRequest(JSON.stringify(request), NEVER);
      assert.ok('recording' in answer, JSON.stringify(answer));
      const listed = answer.recording.files.map(({ path }) => path);
      // The last has two names, and is listed by one of them.
      assert.deepEqual(listed, [...READS, '/usr/bin/alias']);
      assert.equal(answer.recording.files[2]?.bytes, 2 << 20);
      assert.equal(answer.recording.read.unknown, 0);
    });

    test('the same from files, without a cluster, as a patch', async () => {
      const records = join(folder, `${format}.json`);
      await writeFile(records, await getFromSocket(mount.socket, '/api/v1/metrics/pattern', 1 << 20, NEVER));
      const args = ['learn', '--records', records, '--bootstrap', bootstrap, '--limit', '4', '--output', 'yaml'];
      const { code, stdout, stderr } = await run(process.execPath, [MAIN, ...args]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(load(stdout), { spec: { conversion: { prefetchPaths: READS } } });
    });
  });
}

test('a nydusd that keeps no records says which setting of which file turns them on', async () => {
  const bootstrap = await convert('off', 'RafsV6');
  await using mount = await mountNydus(bootstrap, { type: 'registry', host: harness.host, repository: 'off' });
  await readFile(join(mount.mountpoint, 'etc/replaced'));
  const request = { do: 'read', socket: mount.socket, instance: '/1', bootstrap };
  const answer = await answerAgentRequest(JSON.stringify(request), NEVER);
  assert.ok('error' in answer);
  assert.match(answer.error, /"access_pattern": true .* daemon\.nydusd_config of nydus-snapshotter's config\.toml/);
});

describe('a tree of which any byte may be wrong', () => {
  for (const format of ['RafsV6', 'RafsV5'] as const) {
    test(`is read or said to be damaged, as ${format}`, async () => {
      const tree = await readFile(await convert(`damaged-${format.toLowerCase()}`, format));
      const random = seededRandom(1);
      for (let round = 0; round < 300; round += 1) {
        const damaged = Buffer.from(tree.subarray(0, random.chance(0.3) ? random.int(tree.length) : tree.length));
        for (let change = 0; change < 50 && damaged.length > 0; change += 1) {
          damaged[random.int(damaged.length)] = random.int(256);
        }
        try {
          readTree(damaged);
        } catch (error) {
          assert.ok(error instanceof TreeError, `${String(error)} in round ${round}`);
        }
      }
    });
  }
});
