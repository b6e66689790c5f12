import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { ownTag } from '../../converter/owntag.ts';
import { formatReference, parseReference } from '../../registry/reference.ts';
import { attestationTag, signatureTag } from '../../trust/cosign.ts';
import { sign } from './artifact-trust.ts';
import { remember, tagsOf } from './history.ts';
import { targetCredentials } from './pass.ts';
import type { Dependencies, Pass } from './pass.ts';

type Artifact = NonNullable<AcceleratedImageStatus['artifact']>;

/**
 * Signs a verified artifact, if the operator has keys, and has the status name what became of it, now and in its history.
 * @param made tags that a worker made for it.
 * @throws ReconcileError
 */
export async function signAndRemember(
  artifact: Artifact,
  made: readonly string[],
  optionsHash: string,
  pass: Pass,
  deps: Dependencies,
): Promise<void> {
  const signed = await sign(artifact, optionsHash, pass, deps);
  const named = signed.digest === artifact.digest ? made : await nameSealed(signed, made, pass, deps);
  const signatures = signed.signature === undefined ? [] : [signatureTag(signed.digest), attestationTag(signed.digest)];
  const { registry, repository } = parseReference(signed.image);
  pass.status.artifact = signed;
  pass.status.history = remember(pass.status.history ?? [], signed, {
    names: tagsOf(signed),
    made: [...named, ...signatures].map((tag) => formatReference({ registry, repository, tag })),
  });
}

/**
 * Signed bootstraps give an artifact another digest. The tags that a worker made for what it was name it from now on, as nothing
 * else needs that, and it gets a tag of its own.
 * @returns the tags that the object made for it.
 */
async function nameSealed(
  { image, digest }: Artifact,
  made: readonly string[],
  pass: Pass,
  deps: Dependencies,
): Promise<string[]> {
  const { registry, repository, tag: moving = '' } = parseReference(image);
  const call = { credentials: await targetCredentials(pass, deps), signal: pass.signal };
  const { body, descriptor } = await deps.registry.manifest({ registry, repository, digest }, call);
  const tags = new Set([ownTag(moving, digest), ...made]);
  for (const tag of tags) {
    await deps.registry.pushManifest({ registry, repository, tag }, body, descriptor.mediaType, call);
  }
  return [...tags];
}
