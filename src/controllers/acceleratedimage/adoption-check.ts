import pLimit from 'p-limit';
import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { AcceleratedImageReason as Reason } from '../../api/v1alpha1/conditions.ts';
import { readBootstrapLayer, type BootstrapFacts } from '../../converter/bootstraplayer.ts';
import { FS_VERSION_ANNOTATION, REFERENCE_ANNOTATION } from '../../converter/nydus.ts';
import { RegistryError } from '../../registry/errors.ts';
import { formatReference } from '../../registry/reference.ts';
import { isImageManifest } from '../../registry/schema.ts';
import type { Descriptor, ImageConfig, Manifest } from '../../registry/schema.ts';
import { stalled, waiting } from '../reconcile-error.ts';
import { entryFor, readManifest, type Found, type Place, type Search } from './adoption-find.ts';
import { blobsOf, bootstrapOf, builderOf, differenceOf, type Half } from './adoption-pair.ts';
import { problemOf } from './verify.ts';

const PARALLEL_HEADS = 8;
/** Bootstraps are read one after the other, so that many objects at once take no more memory than one. */
const bootstraps = pLimit(1);

type Artifact = NonNullable<AcceleratedImageStatus['artifact']>;

/** What adoption found out about an artifact that it did not make. */
export type Adopted = Pick<Artifact, 'image' | 'digest' | 'format' | 'builder' | 'adoptedFrom' | 'platforms'>;

/**
 * Checks of what was found all that is checked of an own conversion, and what an own conversion need not be asked: that it is
 * there for every platform, that it is the twin of the source, that its tree can be read and reads from its own layers only, and
 * that each of its blobs is in the registry in full size.
 * @param retryMs when to look again where something is not there.
 * @throws ReconcileError ArtifactMismatch, VerificationFailed; RegistryError where the registry did not let it be seen.
 */
export async function checkAdoptable(found: Found, search: Search, retryMs: number): Promise<Adopted> {
  const name = formatReference(found.reference);
  const place = found.from === 'Source' ? search.source : search.target;
  const images: { half: Half; facts: BootstrapFacts; platform: Artifact['platforms'][number] }[] = [];
  for (const { platform, digest: sourceDigest } of search.platforms) {
    const digest = entryFor(found.root, platform);
    const manifest =
      digest === undefined ? undefined : await readManifest(search.registry, place, digest, search.signal);
    if (digest === undefined || manifest === undefined) {
      throw mismatch(`${name} lacks ${platform}. Build it for that, too, or set conversion.platforms to what it has`);
    }
    const label = `${name} for ${platform}`;
    const bootstrap = checkLayers(label, manifest);
    await checkBlobs(label, manifest, place, search, retryMs);
    const half = { manifest, config: await readConfig(manifest, place, search) };
    if (found.from !== 'Source') {
      const source = await readSource(sourceDigest, search);
      const { reference } = search.source;
      const difference = differenceOf(source, half, [sourceDigest, reference.digest]);
      if (difference !== undefined) {
        throw mismatch(`${label} is not the Nydus image of ${formatReference(reference)}: ${difference}`);
      }
    }
    const facts = await readTree(label, bootstrap, manifest, place, search);
    const size = distinct([manifest.config, ...manifest.layers]).reduce((sum, blob) => sum + blob.size, 0);
    images.push({ half, facts, platform: { platform, digest, size, bootstrapSize: bootstrap.size } });
  }
  return {
    image: name,
    digest: found.reference.digest,
    format: one(
      images.map(({ half, facts }) => formatOf(half.manifest, facts)),
      'formats',
      name,
    ),
    builder: [...new Set(images.map(({ half }) => builderOf(half)))].join(', ').slice(0, 128),
    adoptedFrom: found.from,
    platforms: images.map(({ platform }) => platform),
  };
}

/** What nydus-snapshotter takes for a Nydus image, and containerd for an image. @returns its bootstrap. */
function checkLayers(label: string, manifest: Manifest): Descriptor {
  const bootstrap = bootstrapOf(manifest);
  if (bootstrap === undefined) {
    throw mismatch(`${label} is no Nydus image: none of its layers is a bootstrap`);
  }
  const { mediaType } = manifest.config;
  if (!isImageManifest(manifest)) {
    throw mismatch(`${label} cannot be run by containerd: its config is of type ${mediaType}`);
  }
  if (blobsOf(manifest).length === 0 || manifest.layers.at(-1) !== bootstrap) {
    throw mismatch(`${label} must have its data in layers of its own, and its bootstrap in the last one`);
  }
  return bootstrap;
}

async function readConfig(
  { config }: Manifest,
  { reference, credentials }: Place,
  { registry, signal }: Search,
): Promise<ImageConfig> {
  return await registry.imageConfig(reference, config, { credentials, signal });
}

async function readSource(digest: string, search: Search): Promise<Half> {
  const { registry, source, signal } = search;
  const manifest = await readManifest(registry, source, digest, signal);
  if (manifest === undefined) {
    throw new RegistryError('NotFound', `${digest} of ${formatReference(source.reference)} has gone from the registry`);
  }
  return { manifest, config: await readConfig(manifest, source, search) };
}

/** The tree, and that it reads from nothing but the layers of its own manifest: nydusd could not, and the Pod would hang. */
async function readTree(
  label: string,
  bootstrap: Descriptor,
  manifest: Manifest,
  { reference, credentials }: Place,
  { registry, signal }: Search,
): Promise<BootstrapFacts> {
  const facts = await bootstraps(async () => {
    const stream = await registry.blob(reference, bootstrap, { credentials, signal });
    return await readBootstrapLayer(stream, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      if (error instanceof RegistryError) {
        throw error;
      }
      const why = error instanceof Error ? error.message : String(error);
      throw mismatch(`the bootstrap of ${label} cannot be read: ${why}`, error);
    });
  });
  const version = bootstrap.annotations?.[FS_VERSION_ANNOTATION];
  if (version !== undefined && version !== facts.fsVersion) {
    throw mismatch(
      `${label} says that it is of RAFS version ${version}, and its tree is of version ${facts.fsVersion}`,
    );
  }
  const own = blobsOf(manifest).flatMap(({ digest, annotations }) => [digest, annotations?.[REFERENCE_ANNOTATION]]);
  const foreign = facts.blobs.find((blob) => !own.includes(`sha256:${blob}`));
  if (foreign !== undefined) {
    throw mismatch(`${label} reads from the blob sha256:${foreign}, which is none of its layers`);
  }
  return facts;
}

async function checkBlobs(
  label: string,
  { config, layers }: Manifest,
  { reference, credentials }: Place,
  { registry, signal }: Search,
  retryMs: number,
): Promise<void> {
  const call = { credentials, signal };
  const limit = pLimit(PARALLEL_HEADS);
  const incomplete = (what: string): Error =>
    waiting(Reason.VerificationFailed, `${what}; ${label} is not used as long as it is incomplete`, retryMs);
  await limit.map(distinct([config, ...layers]), async (blob) => {
    const problem = problemOf(blob, await registry.blobExists(reference, blob.digest, call));
    if (problem !== undefined) {
      throw incomplete(`blob ${blob.digest} ${problem}`);
    }
    const data = blob.annotations?.[REFERENCE_ANNOTATION];
    if (data !== undefined && (await registry.blobExists(reference, data, call)) === undefined) {
      throw incomplete(`layer ${data}, over which ${blob.digest} is an index, is not in the registry`);
    }
  });
}

function formatOf({ layers }: Manifest, { fsVersion }: BootstrapFacts): string {
  const indexed = layers.some(({ annotations }) => annotations?.[REFERENCE_ANNOTATION] !== undefined);
  return indexed ? 'Zran' : fsVersion === '5' ? 'RafsV5' : 'RafsV6';
}

function one(values: readonly string[], what: string, name: string): string {
  const [first, ...others] = new Set(values);
  if (first === undefined || others.length > 0) {
    throw mismatch(`${name} has different ${what} for its platforms: ${[...new Set(values)].join(', ')}`);
  }
  return first;
}

function distinct(blobs: readonly Descriptor[]): Descriptor[] {
  return [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
}

function mismatch(message: string, cause?: unknown): Error {
  return stalled(Reason.ArtifactMismatch, message, cause);
}
