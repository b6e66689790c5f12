import { z } from 'zod';

/**
 * Names by which cosign stores signatures (sigstore/cosign specs/SIGNATURE_SPEC.md, specs/ATTESTATION_SPEC.md and
 * specs/BUNDLE_SPEC.md).
 */

/** A layer that is the payload of a signature. */
export const PAYLOAD_LAYER_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';
/** A layer that is a DSSE envelope. */
export const ENVELOPE_LAYER_TYPE = 'application/vnd.dsse.envelope.v1+json';
/** On a layer: the signature of its payload, in base64. Empty on an envelope, which holds its own. */
export const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature';
/** On an envelope: what kind of statement it is. */
export const PREDICATE_ANNOTATION = 'predicateType';
/** Artifact and layer type of Sigstore bundles, up to the version. */
export const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle';
/** Predicate of the statement by which cosign 3 signs an image. */
export const SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';

const PAYLOAD_TYPE = 'cosign container image signature';

const Payload = z.object({
  critical: z.object({ image: z.object({ 'docker-manifest-digest': z.string() }), type: z.literal(PAYLOAD_TYPE) }),
});

/** Tag of the signatures of a digest, in its own repository. */
export function signatureTag(digest: string): string {
  return `${digest.replace(':', '-')}.sig`;
}

/** Tag of the attestations about a digest, in its own repository. */
export function attestationTag(digest: string): string {
  return `${digest.replace(':', '-')}.att`;
}

/** What is signed to sign a digest: a "simple signing" payload of Red Hat's, as cosign writes it. */
export function buildPayload(repository: string, digest: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': repository },
        image: { 'docker-manifest-digest': digest },
        type: PAYLOAD_TYPE,
      },
      optional: null,
    }),
  );
}

/** The digest that a payload is about, or undefined for what is none. */
export function digestOfPayload(body: Buffer): string | undefined {
  try {
    return Payload.parse(JSON.parse(body.toString('utf8'))).critical.image['docker-manifest-digest'];
  } catch {
    return undefined;
  }
}
