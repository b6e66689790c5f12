import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { toolPath } from '../tools/locate.ts';
import type { ClusterNode } from './cluster.ts';
import { PAUSE_IMAGE } from './layout.ts';
import { NODE_PATHS } from './node-config.ts';

const TIMEOUT_MS = 120_000;
const POLL_MS = 250;
const SNAPSHOTTERS = ['overlayfs', 'nydus'];
const CACHE = `${NODE_PATHS.nydus}/cache`;
const DIGEST = /sha256:[0-9a-f]{64}/;

/** What a node's containerd holds, and what of it running containers need. */
interface Holdings {
  /** Names of images that nothing needs. */
  images: string[];
  /** Containers that have ended and that kubelet has not removed yet. */
  stopped: string[];
  /** Blobs that no needed image is made of. */
  blobs: string[];
  /** Snapshots that no needed image or container stands on, as `snapshotter/key`. */
  snapshots: string[];
  /** Digests of needed blobs. */
  needed: Set<string>;
}

const Manifest = z.object({
  config: z.object({ digest: z.string() }).optional(),
  layers: z.array(z.object({ digest: z.string() })).default([]),
  manifests: z.array(z.object({ digest: z.string() })).default([]),
});

function ctr(node: ClusterNode, ...args: string[]): Promise<string> {
  const command = [toolPath('ctr'), '--address', NODE_PATHS.containerd, '--namespace', 'k8s.io', ...args];
  return node.run(command).then(({ stdout }) => stdout);
}

/** The words of each line of a table but its head. */
function rows(table: string): string[][] {
  return table
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/));
}

/** Every blob that an image is made of, as far as the node has it. */
async function closure(node: ClusterNode, digest: string, present: Set<string>): Promise<string[]> {
  if (!present.has(digest)) return [];
  const { config, layers, manifests } = Manifest.parse(JSON.parse(await ctr(node, 'content', 'get', digest)));
  const below = await Promise.all(manifests.map((manifest) => closure(node, manifest.digest, present)));
  return [
    digest,
    ...(config === undefined ? [] : [config.digest]),
    ...layers.map((layer) => layer.digest),
    ...below.flat(),
  ];
}

async function snapshotsOf(node: ClusterNode, snapshotter: string, roots: Set<string>): Promise<string[]> {
  const lines = rows(await ctr(node, 'snapshots', '--snapshotter', snapshotter, 'ls'));
  const parents = new Map(lines.map((words) => [words[0] ?? '', words.length > 2 ? words[1] : undefined]));
  const kept = new Set<string>();
  for (const root of roots) {
    for (let key: string | undefined = root; key !== undefined && parents.has(key); key = parents.get(key))
      kept.add(key);
  }
  return [...parents.keys()].filter((key) => key !== '' && !kept.has(key)).map((key) => `${snapshotter}/${key}`);
}

async function holdings(node: ClusterNode): Promise<Holdings> {
  const [imageTable, containerTable, taskTable, contentTable] = await Promise.all([
    ctr(node, 'images', 'ls'),
    ctr(node, 'containers', 'ls'),
    ctr(node, 'tasks', 'ls'),
    ctr(node, 'content', 'ls'),
  ]);
  const images = rows(imageTable).map((words) => ({
    name: words[0] ?? '',
    digest: words.find((word, index) => index > 0 && DIGEST.test(word)) ?? '',
    pinned: words.some((word) => word.includes('io.cri-containerd.pinned=pinned')),
  }));
  const running = new Set(rows(taskTable).flatMap(([id, , status]) => (status === 'RUNNING' ? [id] : [])));
  const containers = rows(containerTable).map(([id = '', image = '']) => ({ id, image }));
  const neededImages = new Set(
    images
      .filter(({ name, pinned }) => pinned || containers.some(({ id, image }) => image === name && running.has(id)))
      .map(({ digest }) => digest),
  );
  const contents = rows(contentTable).filter(([digest = '']) => DIGEST.test(digest));
  const present = new Set(contents.map(([digest = '']) => digest));
  const needed = new Set((await Promise.all([...neededImages].map((digest) => closure(node, digest, present)))).flat());

  // A configuration blob is labelled with the snapshot that its image was unpacked to.
  const labels = contents.filter(([digest = '']) => needed.has(digest)).map((words) => words.join(' '));
  const snapshots = SNAPSHOTTERS.map((snapshotter) => {
    const label = new RegExp(`containerd\\.io/gc\\.ref\\.snapshot\\.${snapshotter}=(sha256:[0-9a-f]{64})`);
    const unpacked = labels.flatMap((text) => label.exec(text)?.[1] ?? []);
    return snapshotsOf(node, snapshotter, new Set([...unpacked, ...containers.map(({ id }) => id)]));
  });
  const sandboxes = new Set(images.filter(({ pinned }) => pinned).map(({ name }) => name));
  return {
    images: images.filter(({ digest }) => !neededImages.has(digest)).map(({ name }) => name),
    stopped: containers.filter(({ id, image }) => !running.has(id) && !sandboxes.has(image)).map(({ id }) => id),
    blobs: [...present].filter((digest) => !needed.has(digest)),
    snapshots: (await Promise.all(snapshots)).flat(),
    needed,
  };
}

/** Files of nydusd's chunk cache that belong to no needed blob, those included that a daemon has open. */
async function staleChunks(node: ClusterNode, needed: Set<string>): Promise<string[]> {
  const script = `find ${CACHE} -type f; find /proc/[0-9]*/fd -lname '${CACHE}/*' -printf '%l\\n' 2>/dev/null; true`;
  const { stdout } = await node.run(['sh', '-c', script]);
  return stdout
    .split('\n')
    .filter((path) => path !== '')
    .filter((path) => !needed.has(`sha256:${/[0-9a-f]{64}/.exec(path)?.[0]}`));
}

/**
 * Collects garbage at once, which removing an image alone does some time later. (`ctr content prune` would do so too, and
 * drop the layers of images that stay: a sandbox image that is yet to be unpacked for another runtime could not be.)
 */
async function collectGarbage(node: ClusterNode): Promise<void> {
  const name = 'slipstream.invalid/garbage:1';
  await ctr(node, 'images', 'tag', '--force', PAUSE_IMAGE, name);
  await ctr(node, 'images', 'rm', '--sync', name);
}

/**
 * Makes a node forget every image that no running container needs: images, content, snapshots, nydusd's chunks, and
 * the kernel's page cache. Returns when all is really gone; throws with what is not after two minutes.
 */
export async function coldNode(node: ClusterNode): Promise<void> {
  const since = performance.now();
  for (;;) {
    const { images, stopped, blobs, snapshots, needed } = await holdings(node);
    if (images.length > 0) await ctr(node, 'images', 'rm', ...images);
    if (blobs.length > 0 || snapshots.length > 0) await collectGarbage(node);
    const chunks = await staleChunks(node, needed);
    const files = [...new Set(chunks.filter((path) => !path.endsWith(' (deleted)')))];
    if (files.length > 0 && snapshots.length === 0) await node.run(['rm', '-f', '--', ...files]);
    const left = [...images, ...stopped, ...blobs, ...snapshots, ...chunks];
    if (left.length === 0) break;
    if (performance.now() - since > TIMEOUT_MS) throw new Error(`${node.name} does not let go of ${left.join(', ')}`);
    await sleep(POLL_MS);
  }
  // What was deleted leaves no page behind, written back or not; this drops those of the programs that read it.
  await writeFile('/proc/sys/vm/drop_caches', '3');
}
