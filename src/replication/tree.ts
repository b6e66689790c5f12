import type { Document } from '../registry/client.ts';
import { formatReference } from '../registry/reference.ts';
import { isIndex, type Descriptor } from '../registry/schema.ts';
import { explained, ReplicateError } from './errors.ts';
import { callOptions, type CopyJob } from './job.ts';

/** Manifests of one image: more platforms, with an attestation for each, than anybody builds for. */
const MAX_DOCUMENTS = 256;

/** Everything that an image consists of. */
export interface Tree {
  /** What the image is named by: a manifest or an index. */
  root: Document;
  /** The manifests below an index, each after those that it names itself. */
  children: Document[];
  /** Configs and layers of all of them, each once. */
  blobs: Descriptor[];
}

/**
 * Reads all manifests of the image that a job copies, every platform and attestation included: registries refuse an index
 * of which something is missing, and one with less in it would have another digest.
 * @throws ReplicateError
 */
export async function readTree(job: CopyJob): Promise<Tree> {
  const { registry, role, from } = job;
  const { registry: host, repository } = from.reference;
  const documents = new Map<string, Document>();

  async function read(digest: string): Promise<void> {
    const doing = `read ${digest} of ${host}/${repository}`;
    const document = await explained(doing, role, () =>
      registry.manifest({ registry: host, repository, digest }, callOptions(from, job)),
    );
    for (const child of isIndex(document.manifest) ? document.manifest.manifests : []) {
      if (!documents.has(child.digest)) {
        await read(child.digest);
      }
    }
    documents.set(digest, document);
    if (documents.size > MAX_DOCUMENTS) {
      throw new ReplicateError(
        'ReplicationFailed',
        `${formatReference(from.reference)} has more than ${MAX_DOCUMENTS} manifests`,
        true,
      );
    }
  }

  const { digest = '' } = from.reference;
  await read(digest);
  const all = [...documents.values()];
  const root = documents.get(digest) ?? all[0];
  if (root === undefined) {
    throw new Error(`nothing was read of ${formatReference(from.reference)}`);
  }
  const blobs = all.flatMap(({ manifest }) => (isIndex(manifest) ? [] : [manifest.config, ...manifest.layers]));
  return {
    root,
    children: all.filter((document) => document !== root),
    blobs: [...new Map(blobs.map((blob) => [blob.digest, blob])).values()],
  };
}
