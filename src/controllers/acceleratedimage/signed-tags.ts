import type { AcceleratedImageStatus } from '../../api/v1alpha1/acceleratedimage.ts';
import { ownTag } from '../../converter/owntag.ts';
import { formatReference, parseReference } from '../../registry/reference.ts';
import { attestationTag, signatureTag } from '../../trust/cosign.ts';
import { orUndefined } from './adoption-find.ts';
import { sign } from './artifact-trust.ts';
import { remember, tagsOf } from './history.ts';
import { targetCredentials } from './pass.ts';
import type { Dependencies, Pass } from './pass.ts';

type Artifact = NonNullable<AcceleratedImageStatus['artifact']>;

/**
 * Signs a verified artifact, if the operator has keys, and has the status name what became of it, now and in its history. May be
 * done again after it broke off.
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
  const history = pass.status.history ?? [];
  const isOurs =
    made.length > 0 || history.some(({ digest, tags }) => tags !== undefined && digest === artifact.digest);
  const named =
    signed.digest === artifact.digest ? [...made] : await nameSealed(artifact, signed, made, isOurs, pass, deps);
  // Where somebody else made every tag of the artifact, what signs it goes with those, and is not ours to remove.
  if (signed.signature !== undefined && (isOurs || named.length > 0)) {
    named.push(signatureTag(signed.digest), attestationTag(signed.digest));
  }
  const { registry, repository } = parseReference(signed.image);
  pass.status.artifact = signed;
  pass.status.history = remember(history, signed, {
    names: tagsOf(signed),
    made: named.map((tag) => formatReference({ registry, repository, tag })),
  });
}

/**
 * Signed bootstraps give an artifact another digest, and a tag of its own. The tags that a worker made for what it was name it
 * from now on, as nothing else needs that, but for those that somebody has moved since.
 * @param isOurs whether the object made tags for what it was: a tag of its own that is there already is then of an attempt that broke off.
 * @returns the tags that the object made for it.
 */
async function nameSealed(
  before: Artifact,
  { image, digest }: Artifact,
  made: readonly string[],
  isOurs: boolean,
  pass: Pass,
  deps: Dependencies,
): Promise<string[]> {
  const { registry, repository, tag: moving = '' } = parseReference(image);
  const call = { credentials: await targetCredentials(pass, deps), signal: pass.signal };
  const { body, descriptor } = await deps.registry.manifest({ registry, repository, digest }, call);
  const own = ownTag(moving, digest);
  const named: string[] = [];
  for (const tag of new Set([own, ...made])) {
    const there = await orUndefined(deps.registry.resolve({ registry, repository, tag }, call));
    if (there?.digest === before.digest || (tag === own && there?.digest !== digest)) {
      await deps.registry.pushManifest({ registry, repository, tag }, body, descriptor.mediaType, call);
      named.push(tag);
    } else if (there?.digest === digest && isOurs) {
      named.push(tag);
    }
  }
  return named;
}
