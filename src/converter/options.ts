import { z } from 'zod';

/** `os/architecture[/variant]`, as in OCI Image indexes. */
const Platform = z
  .string()
  .regex(/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9]+)?$/, { error: 'must be os/architecture[/variant]' });

const Registry = z.strictObject({
  /** Speak HTTP instead of HTTPS to this host. */
  plainHTTP: z.boolean().optional(),
  /** PEM bundle that signs the host's certificate, where the system's does not. */
  ca: z.string().optional(),
});

/** How to speak to registries, by host. A host that is not there is spoken to with HTTPS and the system's certificates. */
export const Registries = z.record(z.string(), Registry);

/** Networks (CIDR) where no registry is that is not among these. */
export const RefusedNetworks = z.array(z.string().max(64)).max(64).optional();

/**
 * File system format of an artifact. Zran is RAFS v6 whose data stays in the layers of the source: only an index over them is
 * stored.
 */
const Format = z.enum(['RafsV6', 'RafsV5', 'Zran']);
export type Format = z.infer<typeof Format>;

/** An image whose chunks are not stored a second time. */
const ChunkDictionary = z.union([
  /** A Nydus image, by tag or by digest. */
  z.strictObject({ image: z.string().max(1024) }),
  /** The newest of `reuse`, or what the target tag names now. */
  z.strictObject({ from: z.literal('PreviousVersion') }),
]);
export type ChunkDictionary = z.infer<typeof ChunkDictionary>;

/** One conversion, as the controller asks a Job for it. */
export const ConvertRequest = z.strictObject({
  /** The image to convert, by tag or by digest. */
  source: z.string().max(1024),
  /** Where the artifact goes: `repository:tag`. */
  target: z.string().max(1024),
  /** Every one of them is converted, or none. Two or more make an index. */
  platforms: z.array(Platform).min(1).max(8),
  format: Format,
  /** Compression of the chunks, in nydus-image's own terms. */
  compressor: z.enum(['zstd', 'lz4_block', 'none']),
  /** Where chunks are looked for before they are written. */
  chunkDictionary: ChunkDictionary.optional(),
  /** Absolute paths that nydusd fetches at once when the image is mounted; none by default. */
  prefetchPaths: z.array(z.string().regex(/^\/[^\n]*$/, { error: 'must be an absolute path' })).max(256),
  /** Hash of all options that shape the artifact. An artifact with another one is never taken for this one. */
  optionsHash: z.string().min(1).max(128),
  /** Folder for named pipes and file system trees (bootstraps), never for layers. */
  workDir: z.string().min(1),
  registries: Registries,
  refusedNetworks: RefusedNetworks,
  /**
   * Earlier artifacts by reference, such as the one of the image's previous version: their layers are taken over where the
   * source layer and the options are the same. The artifact that the target tag names now is always considered.
   */
  reuse: z.array(z.string().max(1200)).max(8).default([]),
});
export type ConvertRequest = z.infer<typeof ConvertRequest>;
