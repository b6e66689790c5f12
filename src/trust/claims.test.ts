import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { bundleClaim, payloadClaim } from './claims.ts';
import { buildPayload, SIGN_PREDICATE } from './cosign.ts';
import { signStatement } from './dsse.ts';
import { judge } from './judge.ts';
import { readPrivateKey, signBytes, type SigningKey } from './privatekey.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
let key: SigningKey;
let foreign: SigningKey;

async function newKey(): Promise<SigningKey> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return await readPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), '', 'test');
}

before(async () => {
  [key, foreign] = [await newKey(), await newKey()];
});

function bundle(predicateType: string, digest: string, signer: SigningKey): Buffer {
  const statement = { subject: [{ digest: { sha256: digest.slice('sha256:'.length) } }], predicateType };
  return Buffer.from(
    JSON.stringify({ dsseEnvelope: JSON.parse(signStatement(statement, signer).toString('utf8')) as unknown }),
  );
}

describe('a payload', () => {
  const payload = buildPayload('registry.test/web', DIGEST);

  test('is a signature by the key that made it, of the digest in it', () => {
    const claim = payloadClaim(payload, signBytes(key, payload), DIGEST);
    assert.equal(claim.problem([foreign.public, key.public]), undefined);
    assert.match(claim.problem([foreign.public]) ?? '', /none of the keys/);
  });

  test('of another digest, of another kind, or changed, is none', () => {
    assert.equal(payloadClaim(payload, signBytes(key, payload), OTHER).problem([key.public]), `it is of ${DIGEST}`);
    const kind = Buffer.from(payload.toString('utf8').replace('cosign container image signature', 'atomic container'));
    assert.equal(payloadClaim(kind, signBytes(key, kind), DIGEST).problem([key.public]), 'it is of no image');
    const changed = Buffer.from(payload.toString('utf8').replace(DIGEST, OTHER));
    assert.match(payloadClaim(changed, signBytes(key, payload), OTHER).problem([key.public]) ?? '', /none of the keys/);
    assert.ok(payloadClaim(undefined, Buffer.alloc(0), DIGEST).problem([key.public]));
  });
});

describe('a bundle', () => {
  test('is a signature by the key that made it, of the digest in it', () => {
    const claim = bundleClaim(bundle(SIGN_PREDICATE, DIGEST, key), DIGEST);
    assert.equal(claim?.problem([key.public]), undefined);
    assert.match(claim?.problem([foreign.public]) ?? '', /none of the keys/);
    assert.match(bundleClaim(bundle(SIGN_PREDICATE, OTHER, key), DIGEST)?.problem([key.public]) ?? '', /it is of/);
  });

  test('that attests something else, such as a scan, is no signature, whoever signed it', () => {
    assert.equal(
      bundleClaim(bundle('https://cosign.sigstore.dev/attestation/vuln/v1', DIGEST, key), DIGEST),
      undefined,
    );
    assert.equal(bundleClaim(Buffer.from('{}'), DIGEST), undefined);
    assert.equal(bundleClaim(undefined, DIGEST), undefined);
  });
});

test('every requirement must be met, each by whichever signature', () => {
  const payload = buildPayload('registry.test/web', DIGEST);
  const claims = [key, foreign].map((signer) => payloadClaim(payload, signBytes(signer, payload), DIGEST));
  const both = [
    { from: 'one', keys: [key.public] },
    { from: 'two', keys: [foreign.public] },
  ];
  assert.deepEqual(judge(claims, both, 'web'), { trusted: true });
  const judged = judge(claims.slice(0, 1), both, 'web');
  assert.ok(!judged.trusted && !judged.missing && /by a key of two/.test(judged.message), JSON.stringify(judged));
});
