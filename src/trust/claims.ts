import { z } from 'zod';
import type { Repository } from '../registry/reference.ts';
import { isIndex, type Manifest } from '../registry/schema.ts';
import {
  BUNDLE_TYPE,
  digestOfPayload,
  PAYLOAD_LAYER_TYPE,
  SIGN_PREDICATE,
  SIGNATURE_ANNOTATION,
  signatureTag,
} from './cosign.ts';
import { Envelope, isEnvelopeSignedBy, Statement, STATEMENT_TYPE } from './dsse.ts';
import { isSignedBy, type PublicKey } from './publickey.ts';
import { readIfThere, readSmallBlob, type Access } from './read.ts';

/** Signatures of one digest that are looked at, in each of the two places. */
const CLAIMS_MAX = 32;

/** Something in a registry that says that a digest is signed. */
export interface Claim {
  /** What is wrong with it for these keys; undefined where one of them signed the digest. */
  problem(keys: readonly PublicKey[]): string | undefined;
}

const Bundle = z.object({ dsseEnvelope: Envelope });

/**
 * The claims about a digest, in both layouts of cosign: the tag `sha256-….sig` of cosign 1 and 2, and the Sigstore bundles of cosign
 * 3, which refer to the digest.
 * @throws RegistryError as the registry client does, but not where there is nothing.
 */
export async function readClaims(place: Repository, digest: string, access: Access): Promise<Claim[]> {
  return [...(await readTagged(place, digest, access)), ...(await readBundles(place, digest, access))];
}

async function readTagged(place: Repository, digest: string, access: Access): Promise<Claim[]> {
  const { registry, repository } = place;
  const document = await readIfThere({ registry, repository, tag: signatureTag(digest) }, access);
  if (document === undefined || isIndex(document.manifest)) {
    return [];
  }
  const claims: Claim[] = [];
  for (const layer of signatureLayers(document.manifest).slice(0, CLAIMS_MAX)) {
    const payload = await readSmallBlob(place, layer, access);
    const signature = Buffer.from(layer.annotations?.[SIGNATURE_ANNOTATION] ?? '', 'base64');
    claims.push(payloadClaim(payload, signature, digest));
  }
  return claims;
}

/** The layers of a manifest of signatures that are signatures. */
export function signatureLayers({ layers }: Manifest): Manifest['layers'] {
  return layers.filter(({ mediaType }) => mediaType === PAYLOAD_LAYER_TYPE);
}

/** The claim of a payload and its signature. */
export function payloadClaim(payload: Buffer | undefined, signature: Buffer, digest: string): Claim {
  return {
    problem(keys) {
      if (payload === undefined) {
        return 'its payload is not there';
      }
      if (!keys.some((key) => isSignedBy(key, payload, signature))) {
        return 'none of the keys made it';
      }
      const signed = digestOfPayload(payload);
      return signed === digest ? undefined : `it is of ${signed ?? 'no image'}`;
    },
  };
}

async function readBundles(place: Repository, digest: string, access: Access): Promise<Claim[]> {
  const { registry, ...call } = access;
  const referrers = await registry.referrers(place, digest, call);
  const bundles = referrers.filter(
    ({ artifactType = '' }) => artifactType === '' || artifactType.startsWith(BUNDLE_TYPE),
  );
  const claims: Claim[] = [];
  for (const { digest: referrer } of bundles.slice(0, CLAIMS_MAX)) {
    const document = await readIfThere({ ...place, digest: referrer }, access);
    const [layer, ...others] = document === undefined || isIndex(document.manifest) ? [] : document.manifest.layers;
    if (layer?.mediaType.startsWith(BUNDLE_TYPE) === true && others.length === 0) {
      const claim = bundleClaim(await readSmallBlob(place, layer, access), digest);
      claims.push(...(claim === undefined ? [] : [claim]));
    }
  }
  return claims;
}

/** The claim of a Sigstore bundle, or undefined for one that signs nothing, such as another attestation. */
export function bundleClaim(body: Buffer | undefined, digest: string): Claim | undefined {
  let envelope: Envelope;
  let statement: Statement;
  try {
    ({ dsseEnvelope: envelope } = Bundle.parse(JSON.parse(body?.toString('utf8') ?? '')));
    statement = Statement.parse(JSON.parse(envelope.payload.toString('utf8')));
  } catch {
    return undefined;
  }
  if (envelope.payloadType !== STATEMENT_TYPE || statement.predicateType !== SIGN_PREDICATE) {
    return undefined;
  }
  return {
    problem(keys) {
      if (!isEnvelopeSignedBy(envelope, keys)) {
        return 'none of the keys made it';
      }
      const signed = statement.subject.map((subject) => `sha256:${subject.digest['sha256']}`);
      return signed.includes(digest) ? undefined : `it is of ${signed.join(', ') || 'no image'}`;
    },
  };
}
