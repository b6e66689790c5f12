import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allow, parseReview } from './review.ts';

const REQUEST = { uid: 'u1', operation: 'CREATE', resource: { group: '', version: 'v1', resource: 'pods' } };

test('a request is read with the parts that are used', () => {
  const { request, uid } = parseReview(
    JSON.stringify({ request: { ...REQUEST, namespace: 'a', object: { x: 1 }, options: {}, dryRun: true } }),
  );
  assert.equal(uid, 'u1');
  assert.deepEqual(request, {
    uid: 'u1',
    operation: 'CREATE',
    resource: { group: '', resource: 'pods' },
    namespace: 'a',
    object: { x: 1 },
    dryRun: true,
  });
});

test('of a request that cannot be read the uid is enough for an answer', () => {
  for (const request of [{ uid: 'u1' }, { ...REQUEST, operation: 7 }, { ...REQUEST, resource: 'pods' }]) {
    assert.deepEqual(parseReview(JSON.stringify({ request })), { uid: 'u1' });
  }
});

test('without a uid there is nothing to answer to', () => {
  const bodies = [
    '',
    'x',
    '{',
    'null',
    '[]',
    '"text"',
    '{}',
    '{"request":null}',
    '{"request":{"uid":""}}',
    '{"request":{"uid":7}}',
  ];
  for (const body of bodies) {
    assert.deepEqual(parseReview(body), {}, body);
  }
});

test('an answer without changes carries no patch', () => {
  assert.deepEqual(allow('u1'), {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: 'u1', allowed: true },
  });
});

test('an answer with changes carries them as a JSON Patch in base64', () => {
  const patch = [{ op: 'replace', path: '/spec/containers/0/image', value: 'ü' }] as const;
  const { response } = allow('u1', patch);
  assert.equal(response.patchType, 'JSONPatch');
  assert.deepEqual(JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString()), patch);
});
