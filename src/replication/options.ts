import { z } from 'zod';
import { RefusedNetworks, Registries } from '../converter/options.ts';

/** Whose credentials an image is read with. */
export const Role = z.enum(['artifact', 'source']);
export type Role = z.infer<typeof Role>;

const Image = z.strictObject({
  role: Role,
  /** What to copy: `repository@digest`. A tag beside the digest means nothing. */
  from: z.string().max(1200),
  /** Where to: `repository:tag`. */
  to: z.string().max(1200),
  /** A tag of its own that keeps the copy in the registry when the other one moves. */
  ownTag: z.string().max(128).optional(),
});

/** One copy for a region, as the controller asks a Job for it. */
export const ReplicateRequest = z.strictObject({
  /** The artifact, its signature and its attestation, and the source. Copied one after the other. */
  images: z.array(Image).min(1).max(4),
  registries: Registries,
  refusedNetworks: RefusedNetworks,
});
export type ReplicateRequest = z.infer<typeof ReplicateRequest>;
