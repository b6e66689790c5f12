import { createHash } from 'node:crypto';
import { existsSync, createReadStream } from 'node:fs';
import { link, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

const MEDIA_TYPE = 'application/vnd.oci.image';

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

/**
 * Makes an image layout (OCI Image specification, image-layout.md) of one image beside its compressed layers, once: what is
 * pushed from it needs not be unpacked again to know what it holds. Gives its folder.
 * @param config `config` of the image's configuration
 */
export async function makeLayout(layers: readonly string[], config: object): Promise<string> {
  const key = createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 12);
  const layout = join(dirname(layers[0] ?? ''), `layout-${key}`);
  if (existsSync(layout)) return layout;
  const draft = `${layout}.${process.pid}`;
  try {
    await mkdir(join(draft, 'blobs/sha256'), { recursive: true });
    const added = await Promise.all(layers.map((layer) => addLayer(draft, layer)));
    const configuration = {
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: added.map(({ diffID }) => diffID) },
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: `${MEDIA_TYPE}.manifest.v1+json`,
      config: await addJson(draft, `${MEDIA_TYPE}.config.v1+json`, configuration),
      layers: added.map(({ descriptor }) => descriptor),
    };
    const index = { schemaVersion: 2, manifests: [await addJson(draft, manifest.mediaType, manifest)] };
    await writeFile(join(draft, 'index.json'), JSON.stringify(index));
    await writeFile(join(draft, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    await rename(draft, layout);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return layout;
}

async function addLayer(layout: string, file: string): Promise<{ descriptor: Descriptor; diffID: string }> {
  const [digest, diffID] = await Promise.all([digestOf(file), digestOf(file, createGunzip())]);
  await link(file, blobPath(layout, digest));
  return {
    descriptor: { mediaType: `${MEDIA_TYPE}.layer.v1.tar+gzip`, digest, size: (await stat(file)).size },
    diffID,
  };
}

async function addJson(layout: string, mediaType: string, content: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(content));
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await writeFile(blobPath(layout, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', digest.replace(':', '/'));
}

async function digestOf(file: string, through?: NodeJS.ReadWriteStream): Promise<string> {
  const hash = createHash('sha256');
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done();
    },
  });
  await (through === undefined
    ? pipeline(createReadStream(file), sink)
    : pipeline(createReadStream(file), through, sink));
  return `sha256:${hash.digest('hex')}`;
}
