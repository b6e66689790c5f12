import { z } from 'zod';
import { RegistryError } from './errors.ts';
import { documentKind, ImageConfig, Index, Manifest } from './schema.ts';

/** Most bytes that a manifest may have, as the OCI Distribution Specification lets registries limit them. */
export const MANIFEST_LIMIT = 4 * 1024 * 1024;

/** The media type of a Content-Type field, without its parameters, if it is one of a manifest or an index. */
export function manifestType(contentType: string | undefined): string | undefined {
  const mediaType = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  return documentKind(mediaType) === undefined ? undefined : mediaType;
}

/**
 * Parses a manifest or an index. Content-Type and the document's own media type must not contradict each other, and no
 * document may be both kinds: else two clients could read two images from one digest (CVE-2021-41190).
 * @throws RegistryError of kind Unsupported for another type of document, or Invalid.
 */
export function parseManifest(
  body: Buffer,
  contentType: string | undefined,
  subject: string,
): { mediaType: string; manifest: Manifest | Index } {
  const document = parseJson(body, subject);
  const { mediaType: own, manifests, layers, config } = document;
  const mediaType = manifestType(contentType) ?? own;
  const kind = typeof mediaType === 'string' ? documentKind(mediaType) : undefined;
  if (typeof mediaType !== 'string' || kind === undefined) {
    const type = typeof mediaType === 'string' ? mediaType : (contentType ?? 'no media type');
    throw new RegistryError(
      'Unsupported',
      `${subject}: it is of type ${type.slice(0, 100)}; only OCI images and Docker schema 2 images can be read. Push it in one of these`,
    );
  }
  if (own !== undefined && own !== mediaType) {
    throw new RegistryError(
      'Invalid',
      `${subject}: it was sent as ${mediaType} but calls itself ${JSON.stringify(own).slice(0, 100)}`,
    );
  }
  if (manifests !== undefined && (layers !== undefined || config !== undefined)) {
    throw new RegistryError('Invalid', `${subject}: it is an index and a manifest at once, which is refused`);
  }
  return {
    mediaType,
    manifest: kind === 'index' ? check(Index, document, subject) : check(Manifest, document, subject),
  };
}

/**
 * Parses the config of an image.
 * @throws RegistryError of kind Invalid.
 */
export function parseConfig(body: Buffer, subject: string): ImageConfig {
  return check(ImageConfig, parseJson(body, subject), subject);
}

function parseJson(body: Buffer, subject: string): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new RegistryError('Invalid', `${subject}: it is not JSON`, { cause: error });
  }
  return check(z.record(z.string(), z.unknown()), document, subject);
}

function check<S extends z.ZodType>(schema: S, document: unknown, subject: string): z.infer<S> {
  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') ?? '';
    throw new RegistryError(
      'Invalid',
      `${subject}: it breaks the OCI Image Specification (${where}: ${issue?.message})`,
    );
  }
  return parsed.data;
}
