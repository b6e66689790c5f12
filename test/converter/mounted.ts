import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isIndex, type Index, type Manifest } from '../../src/registry/schema.ts';
import type { Layer } from '../support/image-builder.ts';
import { mountNydus, type NydusMount } from '../support/nydus-mount.ts';
import { extractLayers } from '../support/rootfs.ts';
import { compareTrees, type Difference } from '../support/tree-compare.ts';
import type { Harness } from './harness.ts';

/** A mounted artifact with its bootstrap layer. */
export interface MountedArtifact extends NydusMount {
  /** Folder with `image.boot` and what lies beside it. */
  bootstrap: string;
}

/** Mounts an artifact from the harness's registry, of an index the first one; see {@link mountNydus}. */
export async function mountArtifact(harness: Harness, repository: string, tag: string): Promise<MountedArtifact> {
  const root = await harness.manifest<Manifest | Index>(repository, tag);
  const { layers } = isIndex(root)
    ? await harness.manifest<Manifest>(repository, root.manifests[0]?.digest ?? '')
    : root;
  const folder = await mkdtemp(join(tmpdir(), 'bootstrap-'));
  try {
    const tar = spawn('tar', ['-xzf', '-', '-C', folder], { stdio: ['pipe', 'inherit', 'inherit'] });
    const ended = once(tar, 'close');
    await pipeline(Readable.from([await harness.storedBlob(layers.at(-1)?.digest ?? '')]), tar.stdin);
    await ended;
    const bootstrap = join(folder, 'image');
    const mount = await mountNydus(join(bootstrap, 'image.boot'), { type: 'registry', host: harness.host, repository });
    return {
      ...mount,
      bootstrap,
      async [Symbol.asyncDispose]() {
        await mount[Symbol.asyncDispose]();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** What a container would see otherwise in an artifact than in its layers, unpacked one over the other by GNU tar. */
export async function differences(
  harness: Harness,
  repository: string,
  tag: string,
  layers: readonly Layer[],
): Promise<Difference[]> {
  const rootfs = await mkdtemp(join(tmpdir(), 'rootfs-'));
  try {
    await extractLayers(
      layers.map(({ tar }) => tar),
      rootfs,
    );
    await using mount = await mountArtifact(harness, repository, tag);
    return await compareTrees(rootfs, mount.mountpoint);
  } finally {
    await rm(rootfs, { recursive: true, force: true });
  }
}
