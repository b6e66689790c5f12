import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../../test/gen/objects.ts';
import type { Overrides } from '../../../test/support/merge.ts';
import { InvalidReferenceError } from '../../registry/reference.ts';
import { attemptName, hashOf, identifyCopy, tagsOfCopy, type CopyIdentity } from './replica-identity.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const SOURCE_DIGEST = `sha256:${'5'.repeat(64)}`;

function copyOf(replica: object = {}, spec: Overrides = {}, digest = DIGEST): CopyIdentity {
  const replicas = [{ region: 'eu', repository: 'registry.eu.test/web', ...replica }];
  const image = acceleratedImage('web', { spec: { source: { image: 'registry.test/web:1' }, ...spec, replicas } });
  const [wanted] = image.spec.replicas ?? [];
  assert.ok(wanted);
  return identifyCopy(wanted, image.spec, {
    image: `registry.test/web:1-nydus@${digest}`,
    digest,
    sourceDigest: SOURCE_DIGEST,
    format: 'RafsV6',
    builder: 'v2.2.0',
    convertedAt: '2026-01-01T00:00:00Z',
    platforms: [],
  });
}

test('a copy is read by digest and keeps its tag', () => {
  const { images, target } = copyOf();
  assert.deepEqual(images, [
    {
      role: 'artifact',
      from: `registry.test/web:1-nydus@${DIGEST}`,
      to: 'registry.eu.test/web:1-nydus',
      ownTag: '1-nydus-aaaaaaaaaaaa',
    },
  ]);
  assert.deepEqual(tagsOfCopy(copyOf()), ['registry.eu.test/web:1-nydus', 'registry.eu.test/web:1-nydus-aaaaaaaaaaaa']);
  assert.deepEqual(target, { registry: 'registry.eu.test', repository: 'web', tag: '1-nydus', digest: DIGEST });
});

test('with the source, that goes beside it under its own tag, or the head of its digest', () => {
  assert.deepEqual(copyOf({ source: true }).images[1], {
    role: 'source',
    from: `registry.test/web:1@${SOURCE_DIGEST}`,
    to: 'registry.eu.test/web:1',
  });
  const pinned = copyOf({ source: true }, { source: { image: `registry.test/web@${SOURCE_DIGEST}` } });
  assert.equal(pinned.images[1]?.to, 'registry.eu.test/web:555555555555');
});

test('each part has the Secret of its own registry', () => {
  const spec = { source: { image: 'a.test/web:1', pullSecretRef: { name: 'pull' } } };
  assert.deepEqual(copyOf().secrets, { artifact: undefined, source: undefined, replica: undefined });
  assert.deepEqual(copyOf({}, spec).secrets, { artifact: 'pull', source: undefined, replica: 'pull' });
  assert.deepEqual(
    copyOf({ pushSecretRef: { name: 'eu' }, source: true }, { ...spec, target: { pushSecretRef: { name: 'push' } } })
      .secrets,
    { artifact: 'push', source: 'pull', replica: 'eu' },
  );
});

test('regions that share a repository share a copy; another artifact, place or Secret is another one', () => {
  assert.equal(copyOf({ region: 'us' }).hash, copyOf().hash);
  const others = [
    copyOf(),
    copyOf({}, {}, `sha256:${'b'.repeat(64)}`),
    copyOf({ repository: 'registry.eu.test/other' }),
    copyOf({ pushSecretRef: { name: 'eu' } }),
    copyOf({ source: true }),
  ].map(({ hash }) => hash);
  assert.equal(new Set(others).size, others.length);
});

test('each attempt has a name of its own, that a Job and a label can have, and tells its copy', () => {
  const { hash } = copyOf();
  assert.equal(attemptName(hash, 0), hash);
  assert.equal(attemptName(hash, 3), `${hash}-3`);
  assert.equal(hashOf(attemptName(hash, 3)), hash);
  assert.match(`slipstream-replicate-${attemptName(hash, 99)}`, /^[a-z0-9-]{1,63}$/);
});

test('a repository that is none is an error', () => {
  assert.throws(() => copyOf({ repository: 'registry.eu.test/Web' }), InvalidReferenceError);
});
