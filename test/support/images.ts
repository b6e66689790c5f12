import { createHash } from 'node:crypto';
import type { Blob, WarmImage } from '../../src/dragonfly/provider.ts';

const BASE = 'https://registry.example.com/v2/web/shop';

/** A blob that is known only by its name: its digest is that of the name. */
export function blobOf(name: string, size: number): Blob {
  const digest = `sha256:${createHash('sha256').update(name).digest('hex')}`;
  return { registry: 'registry.example.com', repository: 'web/shop', digest, size, url: `${BASE}/blobs/${digest}` };
}

/** An image of these blobs. */
export function imageOf(blobs: Blob[], rest: Partial<WarmImage> = {}): WarmImage {
  return { manifestUrl: `${BASE}/manifests/sha256:${'0'.repeat(64)}`, platform: 'linux/amd64', blobs, ...rest };
}
