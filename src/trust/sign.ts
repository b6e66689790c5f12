import type { Repository } from '../registry/reference.ts';
import { attach } from './attach.ts';
import { payloadClaim } from './claims.ts';
import {
  attestationTag,
  buildPayload,
  ENVELOPE_LAYER_TYPE,
  PAYLOAD_LAYER_TYPE,
  PREDICATE_ANNOTATION,
  SIGNATURE_ANNOTATION,
  signatureTag,
} from './cosign.ts';
import { Envelope, isEnvelopeSignedBy, signStatement } from './dsse.ts';
import { signBytes, type SigningKey } from './privatekey.ts';
import { PROVENANCE_PREDICATE, provenanceOf, type Origin } from './provenance.ts';
import type { Access } from './read.ts';

/** Digests of the manifests that hold the signatures of an artifact. */
export interface Signatures {
  signature: string;
  attestation: string;
}

/**
 * Signs an artifact and attests how it was made, in the layout that all versions of cosign verify: the tags `sha256-….sig` and
 * `sha256-….att` beside it. What is there by this key stays as it is, and so do signatures of others.
 * @throws RegistryError as the registry client does.
 */
export async function signArtifact(origin: Origin, key: SigningKey, access: Access): Promise<Signatures> {
  const { digest, ...place } = origin.artifact;
  return {
    signature: await attachSignature(place, digest, key, access),
    attestation: await attachProvenance(origin, key, access),
  };
}

async function attachSignature(place: Repository, digest: string, key: SigningKey, access: Access): Promise<string> {
  const { registry, repository } = place;
  const signatureOf = (annotations: Record<string, string> = {}): Buffer =>
    Buffer.from(annotations[SIGNATURE_ANNOTATION] ?? '', 'base64');
  return await attach(
    { registry, repository, tag: signatureTag(digest) },
    () => {
      const body = buildPayload(`${registry}/${repository}`, digest);
      const signature = signBytes(key, body).toString('base64');
      return { mediaType: PAYLOAD_LAYER_TYPE, body, annotations: { [SIGNATURE_ANNOTATION]: signature } };
    },
    ({ mediaType, annotations }, body) =>
      mediaType === PAYLOAD_LAYER_TYPE &&
      payloadClaim(body, signatureOf(annotations), digest).problem([key.public]) === undefined,
    access,
  );
}

async function attachProvenance(origin: Origin, key: SigningKey, access: Access): Promise<string> {
  const { registry, repository, digest } = origin.artifact;
  const statement = provenanceOf(origin);
  const wanted = JSON.stringify(statement);
  return await attach(
    { registry, repository, tag: attestationTag(digest) },
    () => ({
      mediaType: ENVELOPE_LAYER_TYPE,
      body: signStatement(statement, key),
      annotations: { [SIGNATURE_ANNOTATION]: '', [PREDICATE_ANNOTATION]: PROVENANCE_PREDICATE },
    }),
    ({ mediaType }, body) => {
      const envelope = mediaType === ENVELOPE_LAYER_TYPE ? parseEnvelope(body) : undefined;
      return envelope?.payload.toString('utf8') === wanted && isEnvelopeSignedBy(envelope, [key.public]);
    },
    access,
  );
}

function parseEnvelope(body: Buffer): Envelope | undefined {
  try {
    return Envelope.parse(JSON.parse(body.toString('utf8')));
  } catch {
    return undefined;
  }
}
