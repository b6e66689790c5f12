import { z } from 'zod';
import { signBytes, type SigningKey } from './privatekey.ts';
import { isSignedBy, type PublicKey } from './publickey.ts';

/** Payload type of in-toto statements. */
export const STATEMENT_TYPE = 'application/vnd.in-toto+json';

const Bytes = z.base64().transform((text) => Buffer.from(text, 'base64'));

/** A DSSE envelope (github.com/secure-systems-lab/dsse, envelope.md). */
export const Envelope = z.object({
  payloadType: z.string(),
  payload: Bytes,
  signatures: z
    .array(z.object({ sig: Bytes }))
    .min(1)
    .max(16),
});
export type Envelope = z.infer<typeof Envelope>;

/** What an in-toto statement says it is about (in-toto attestation framework, Statement v0.1 and v1). */
export const Statement = z.object({
  subject: z.array(z.object({ digest: z.record(z.string(), z.string()) })).max(1000),
  predicateType: z.string(),
});
export type Statement = z.infer<typeof Statement>;

/** The bytes that are signed: DSSE v1, "Signature Definition" (PAE). */
export function preAuthEncoding(payloadType: string, payload: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/** Whether one of the keys made one of an envelope's signatures. */
export function isEnvelopeSignedBy(envelope: Envelope, keys: readonly PublicKey[]): boolean {
  const bytes = preAuthEncoding(envelope.payloadType, envelope.payload);
  return envelope.signatures.some(({ sig }) => keys.some((key) => isSignedBy(key, bytes, sig)));
}

/** Signs a statement. @returns the envelope, as it is stored. */
export function signStatement(statement: object, key: SigningKey): Buffer {
  const payload = Buffer.from(JSON.stringify(statement));
  const sig = signBytes(key, preAuthEncoding(STATEMENT_TYPE, payload)).toString('base64');
  return Buffer.from(
    JSON.stringify({
      payloadType: STATEMENT_TYPE,
      payload: payload.toString('base64'),
      signatures: [{ keyid: '', sig }],
    }),
  );
}
