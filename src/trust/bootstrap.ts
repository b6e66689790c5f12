import { createSign } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { RegistryError } from '../registry/errors.ts';
import type { SigningKey } from './privatekey.ts';

/** The layer's annotation that nydus-snapshotter takes a signature from: containerd hands it on as a label (pkg/label). */
export const BOOTSTRAP_SIGNATURE_ANNOTATION = 'containerd.io/snapshot/nydus-signature';

const BOOT = 'image/image.boot';
/** Most bytes that a bootstrap layer may unpack to: the tree of an image with millions of files. */
const UNPACKED_MAX = 1 << 30;

/**
 * Signs the bootstrap in a layer while it passes, as nydus-snapshotter checks it before it mounts (pkg/signature, pkg/utils/signer):
 * RSA by PKCS #1 v1.5 of the SHA-256 of `image.boot`, in base64. The same bytes get the same signature.
 * @param layer gzipped tar; what fails at its end if its digest is wrong is not signed.
 * @param subject what the layer is, for the message.
 * @throws RegistryError as the stream does, or of kind Invalid for what is no bootstrap layer.
 */
export async function signBootstrap(
  layer: Readable,
  { key }: SigningKey,
  subject: string,
  signal: AbortSignal,
): Promise<string> {
  const signer = createSign('sha256');
  const tar = extract();
  const fed = pipeline(layer, createGunzip(), tar, { signal });
  fed.catch(() => undefined);
  let found = false;
  let left = UNPACKED_MAX;
  try {
    for await (const entry of tar) {
      left -= entry.header.size ?? 0;
      if (left < 0) {
        throw new Error(`it unpacks to more than ${UNPACKED_MAX} bytes`);
      }
      const isBoot = entry.header.name === BOOT;
      if (isBoot && found) {
        throw new Error(`it has ${BOOT} twice`);
      }
      found ||= isBoot;
      for await (const chunk of entry as AsyncIterable<Buffer>) {
        if (isBoot) {
          signer.update(chunk);
        }
      }
    }
    await fed;
    if (!found) {
      throw new Error(`it has no ${BOOT}`);
    }
  } catch (error) {
    signal.throwIfAborted();
    const cause = await fed.then(
      () => error,
      (reason: unknown) => reason,
    );
    throw cause instanceof RegistryError
      ? cause
      : new RegistryError('Invalid', `${subject} cannot be signed: ${String(error)}`, { cause });
  }
  return signer.sign(key, 'base64');
}
