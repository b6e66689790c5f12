import { createHash } from 'node:crypto';
import type { AcceleratedImageSpec } from '../../api/v1alpha1/acceleratedimage.ts';
import { PIPELINE_VERSION } from '../../converter/nydus.ts';
import { formatReference, parseReference } from '../../registry/reference.ts';
import type { Reference } from '../../registry/reference.ts';

const TAG_MAX = 128;

/** Options that decide the bytes of an artifact; nothing else may be in it. */
export interface ConversionOptions {
  format: AcceleratedImageSpec['conversion']['format'];
  compressor: AcceleratedImageSpec['conversion']['compressor'];
  chunkDictionary: AcceleratedImageSpec['conversion']['chunkDictionary'];
  prefetchPaths: string[];
  platforms: string[];
}

export interface ConversionIdentity {
  /** Identity of the conversion: 20 hex digits, usable in a name and as a label value. */
  hash: string;
  /** Hash of the options alone, as it is written on the artifact. */
  optionsHash: string;
  jobName: string;
}

/**
 * One conversion is (source digest, options, target): the same three give the same Job name, so that a crash, a second
 * replica or a second object that asks for the same thing never makes a second Job.
 */
export function identify(sourceDigest: string, options: ConversionOptions, target: Reference): ConversionIdentity {
  const optionsHash = `sha256:${sha256(
    JSON.stringify([
      PIPELINE_VERSION,
      options.format,
      options.compressor,
      // nydusd fetches them in their order.
      options.prefetchPaths,
      options.platforms.toSorted(),
      // Its tag, not what that names: a dictionary that moves makes no artifact wrong.
      ...(options.chunkDictionary === undefined ? [] : [options.chunkDictionary]),
    ]),
  )}`;
  const hash = sha256(JSON.stringify([sourceDigest, optionsHash, formatReference(target)])).slice(0, 20);
  return { hash, optionsHash, jobName: `slipstream-convert-${hash}` };
}

/**
 * Where the artifact goes: the source's repository unless the spec says otherwise, and a tag made of the source's tag (or
 * of the head of its digest) and the suffix.
 * @throws InvalidReferenceError where the spec's references are none.
 */
export function targetReference(spec: AcceleratedImageSpec): Reference {
  const source = parseReference(spec.source.image);
  const repository = spec.target.repository === undefined ? source : parseReference(spec.target.repository);
  const base = source.tag ?? source.digest?.replace(/^sha256:/, '').slice(0, 12) ?? 'latest';
  const suffix = spec.target.tagSuffix;
  return {
    registry: repository.registry,
    repository: repository.repository,
    tag: `${base.slice(0, TAG_MAX - suffix.length)}${suffix}`,
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
