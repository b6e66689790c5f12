import { z } from 'zod';
import { InvalidReferenceError, parseReference } from '../registry/reference.ts';
import type { PushedTag } from './pushed.ts';

const Pushed = z.object({
  /** The image as Pods name it, with its tag. */
  image: z.string().min(1).max(1024),
  digest: z.string().max(160).optional(),
});

/** The tag that `{"image": "registry/repository:tag", "digest": "sha256:…"}` names; none for an image by digest alone. */
export function fromGeneric(body: unknown): PushedTag[] | undefined {
  const { success, data } = Pushed.safeParse(body);
  if (!success) {
    return undefined;
  }
  try {
    const { registry, repository, tag, digest } = parseReference(data.image);
    return tag === undefined ? [] : [{ host: registry, repository, tag, digest: data.digest ?? digest }];
  } catch (error) {
    if (error instanceof InvalidReferenceError) {
      return undefined;
    }
    throw error;
  }
}
