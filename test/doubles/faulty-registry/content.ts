import { createHash } from 'node:crypto';

export interface StoredManifest {
  digest: string;
  mediaType: string;
  body: Buffer;
}

export interface ImageOptions {
  /** More than one makes an index. Default: linux/amd64 alone, without an index. */
  platforms?: string[];
  /** Contents of the layers, the same for every platform. */
  layers?: Buffer[];
  /** Merged into every manifest. */
  annotations?: Record<string, string>;
  format?: 'oci' | 'docker';
}

export interface StoredImage extends StoredManifest {
  /** One of each platform; for an image without an index, the image itself. */
  platforms: { platform: string; digest: string; manifest: ImageManifest }[];
}

export interface ContentDescriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string; variant?: string };
}

export interface ImageManifest {
  schemaVersion: 2;
  mediaType: string;
  config: ContentDescriptor;
  layers: ContentDescriptor[];
  annotations?: Record<string, string>;
}

const MEDIA_TYPES = {
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    index: 'application/vnd.oci.image.index.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar',
  },
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar',
  },
};

/** What a registry holds: blobs and manifests by repository and digest, and tags. */
export class Content {
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifests = new Map<string, StoredManifest>();
  readonly #tags = new Map<string, string>();

  addBlob(repository: string, body: Buffer): string {
    const digest = sha256(body);
    this.#blobs.set(`${repository}@${digest}`, body);
    return digest;
  }

  blob(repository: string, digest: string): Buffer | undefined {
    return this.#blobs.get(`${repository}@${digest}`);
  }

  /** @param reference a tag or a digest; undefined stores by digest only. */
  addManifest(repository: string, reference: string | undefined, body: Buffer, mediaType: string): StoredManifest {
    const stored = { digest: sha256(body), mediaType, body };
    this.#manifests.set(`${repository}@${stored.digest}`, stored);
    if (reference !== undefined && !reference.startsWith('sha256:')) {
      this.#tags.set(`${repository}:${reference}`, stored.digest);
    }
    return stored;
  }

  manifest(repository: string, reference: string): StoredManifest | undefined {
    const digest = reference.startsWith('sha256:') ? reference : this.#tags.get(`${repository}:${reference}`);
    return this.#manifests.get(`${repository}@${digest}`);
  }

  /** @returns whether there was one. */
  deleteManifest(repository: string, reference: string): boolean {
    return reference.startsWith('sha256:')
      ? this.#manifests.delete(`${repository}@${reference}`)
      : this.#tags.delete(`${repository}:${reference}`);
  }

  addImage(repository: string, tag: string | undefined, options: ImageOptions = {}): StoredImage {
    const { platforms = ['linux/amd64'], format = 'oci' } = options;
    const types = MEDIA_TYPES[format];
    const images = platforms.map((platform) => this.#addPlatform(repository, platform, options));
    const [only] = images;
    if (only !== undefined && images.length === 1) {
      const stored = this.addManifest(repository, tag, only.body, types.manifest);
      return { ...stored, platforms: images };
    }
    const index = {
      schemaVersion: 2,
      mediaType: types.index,
      manifests: images.map(({ body, digest, platform }) => {
        return { mediaType: types.manifest, digest, size: body.length, platform: splitPlatform(platform) };
      }),
    };
    return { ...this.addManifest(repository, tag, json(index), types.index), platforms: images };
  }

  #addPlatform(
    repository: string,
    platform: string,
    { layers = [Buffer.from(`layer of ${repository}`)], annotations, format = 'oci' }: ImageOptions,
  ): { platform: string; digest: string; body: Buffer; manifest: ImageManifest } {
    const types = MEDIA_TYPES[format];
    const describe = (body: Buffer, mediaType: string): ContentDescriptor => {
      return { mediaType, digest: this.addBlob(repository, body), size: body.length };
    };
    const config = json({ ...splitPlatform(platform), rootfs: { type: 'layers', diff_ids: layers.map(sha256) } });
    const manifest: ImageManifest = {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: describe(config, types.config),
      layers: layers.map((layer) => describe(layer, types.layer)),
      ...(annotations === undefined ? {} : { annotations }),
    };
    const body = json(manifest);
    return { platform, digest: this.addManifest(repository, undefined, body, types.manifest).digest, body, manifest };
  }
}

export function sha256(body: Buffer): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}

function json(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document));
}

function splitPlatform(platform: string): { os: string; architecture: string; variant?: string } {
  const [os = '', architecture = '', variant] = platform.split('/');
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}
