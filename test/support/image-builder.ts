import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack, type Header } from 'tar-stream';

/** One entry of a layer's tar; what is absent has a plain default. */
export interface Entry extends Partial<Omit<Header, 'pax'>> {
  name: string;
  content?: string | Buffer;
  /** Extended attributes, as PAX records SCHILY.xattr.*. */
  xattrs?: Record<string, string>;
}

/** Makes a tar. */
export async function buildTar(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  const bytes = buffer(tar as AsyncIterable<Buffer>);
  for (const { content = '', xattrs = {}, ...header } of entries) {
    const records = Object.entries(xattrs).map(([name, value]) => [`SCHILY.xattr.${name}`, value]);
    const pax = records.length === 0 ? {} : { pax: Object.fromEntries(records) as unknown };
    const full = { mtime: new Date(1_700_000_000_000), ...header, ...pax };
    if (header.type === undefined || header.type === 'file') {
      tar.entry(full, content);
    } else {
      tar.entry(full);
    }
  }
  tar.finalize();
  return bytes;
}

/** A file of a layer. */
export function file(name: string, content: string | Buffer, more: Partial<Entry> = {}): Entry {
  return { name, content, mode: 0o644, ...more };
}

/** A directory of a layer. */
export function directory(name: string, more: Partial<Entry> = {}): Entry {
  return { name, type: 'directory', mode: 0o755, ...more };
}

/** Bytes that no compression makes smaller, the same for the same seed. */
export function noise(size: number, seed: string): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * 32 < size; i += 1) {
    blocks.push(createHash('sha256').update(`${seed} ${i}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, size);
}

/** How a layer is compressed in the registry. */
export type LayerCompression = 'gzip' | 'zstd' | 'none';

/** A layer as stored in a registry. */
export interface Layer {
  compression: LayerCompression;
  body: Buffer;
  tar: Buffer;
}

/** Compresses a tar into a layer. */
export function layerOf(tar: Buffer, compression: LayerCompression = 'gzip'): Layer {
  const body = { gzip: () => gzipSync(tar), zstd: () => zstdCompressSync(tar), none: () => tar }[compression]();
  return { compression, body, tar };
}

/** Content and media type of something that a registry stores. */
export interface Stored {
  mediaType: string;
  digest: string;
  body: Buffer;
}

/** An image of one platform. */
export interface BuiltImage {
  manifest: Stored;
  blobs: Stored[];
  layers: Layer[];
  platform: { os: string; architecture: string; variant?: string };
}

/** Options of {@link buildImage}. */
export interface ImageOptions {
  style?: 'oci' | 'docker';
  platform?: BuiltImage['platform'];
  /** The `config` part of the image config. */
  config?: Record<string, unknown>;
  /** What made it; a step for each layer, and one without, by default. */
  history?: readonly Record<string, unknown>[];
  /** Of the manifest. */
  annotations?: Record<string, string>;
}

/** Media types of OCI images. */
export const OCI = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: {
    gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
    zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
    none: 'application/vnd.oci.image.layer.v1.tar',
  },
};
const DOCKER = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  index: 'application/vnd.docker.distribution.manifest.list.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: {
    gzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    zstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
    none: 'application/vnd.docker.image.rootfs.diff.tar',
  },
};

/** Makes config and manifest of an image. */
export function buildImage(layers: Layer[], options: ImageOptions = {}): BuiltImage {
  const types = options.style === 'docker' ? DOCKER : OCI;
  const platform = options.platform ?? { os: 'linux', architecture: 'amd64' };
  const config = stored(types.config, {
    ...platform,
    created: '2024-01-01T00:00:00Z',
    config: options.config ?? { Env: ['PATH=/usr/bin:/bin'], Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ tar }) => sha256(tar)) },
    history: options.history ?? [
      ...layers.map((_, i) => ({ created: '2024-01-01T00:00:00Z', created_by: `step ${i}` })),
      { created_by: 'ENV', empty_layer: true },
    ],
  });
  const blobs = layers.map(({ body, compression }) => ({
    mediaType: types.layer[compression],
    digest: sha256(body),
    body,
  }));
  const manifest = stored(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: descriptor(config),
    layers: blobs.map(descriptor),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  });
  return { manifest, blobs: [config, ...blobs], layers, platform };
}

/** Makes the index of images of several platforms. */
export function buildIndexOf(images: readonly BuiltImage[], style: 'oci' | 'docker' = 'oci'): Stored {
  const mediaType = style === 'docker' ? DOCKER.index : OCI.index;
  const manifests = images.map(({ manifest, platform }) => ({ ...descriptor(manifest), platform }));
  return stored(mediaType, { schemaVersion: 2, mediaType, manifests });
}

/** A JSON document as a registry stores it. */
export function stored(mediaType: string, content: unknown): Stored {
  const body = Buffer.from(JSON.stringify(content));
  return { mediaType, digest: sha256(body), body };
}

/** The descriptor of something stored. */
export function descriptor({ mediaType, digest, body }: Stored): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest, size: body.length };
}

/** Pushes an image to a registry on loopback, with plain requests. Several images make an index. */
export async function pushImage(
  host: string,
  repository: string,
  tag: string,
  images: readonly BuiltImage[],
  style: 'oci' | 'docker' = 'oci',
): Promise<string> {
  for (const image of images) {
    await pushBlobs(host, repository, image.blobs);
    await pushManifest(host, repository, images.length === 1 ? tag : image.manifest.digest, image.manifest);
  }
  const [single] = images;
  if (single !== undefined && images.length === 1) {
    return single.manifest.digest;
  }
  const index = buildIndexOf(images, style);
  await pushManifest(host, repository, tag, index);
  return index.digest;
}

/** Pushes blobs. */
export async function pushBlobs(host: string, repository: string, blobs: readonly Stored[]): Promise<void> {
  for (const { digest, body } of blobs) {
    const opened = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(opened.headers.get('location') ?? '', `http://${host}`);
    location.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream' };
    await expectOk(await fetch(location, { method: 'PUT', body: new Uint8Array(body), headers }));
  }
}

/** Pushes a manifest under a tag or a digest. */
export async function pushManifest(
  host: string,
  repository: string,
  name: string,
  { mediaType, body }: Stored,
): Promise<void> {
  const url = `http://${host}/v2/${repository}/manifests/${name}`;
  const headers = { 'content-type': mediaType };
  await expectOk(await fetch(url, { method: 'PUT', body: new Uint8Array(body), headers }));
}

async function expectOk(response: Response): Promise<void> {
  if (!response.ok) {
    throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  }
  await response.arrayBuffer();
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
