import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { apiHost, checkReference, formatReference, InvalidReferenceError, parseReference } from './reference.ts';

const DIGEST = `sha256:${'a1'.repeat(32)}`;

describe('parseReference', () => {
  const cases: [text: string, canonical: string][] = [
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1.27', 'docker.io/library/nginx:1.27'],
    ['bitnami/redis', 'docker.io/bitnami/redis:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/bitnami/redis:7', 'docker.io/bitnami/redis:7'],
    ['registry.example.com/team/web/app:6.5', 'registry.example.com/team/web/app:6.5'],
    ['registry.example.com/app', 'registry.example.com/app:latest'],
    ['REGISTRY.example.com/app:V1', 'registry.example.com/app:V1'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:1', 'localhost:5000/app:1'],
    ['registry:5000/app', 'registry:5000/app:latest'],
    ['127.0.0.1:5000/a/b', '127.0.0.1:5000/a/b:latest'],
    ['[::1]:5000/app:1', '[::1]:5000/app:1'],
    ['[FD00::a]/app', '[fd00::a]/app:latest'],
    ['localhost:5000', 'docker.io/library/localhost:5000'],
    ['a__b/c---d/e.f_g:_1-.', 'docker.io/a__b/c---d/e.f_g:_1-.'],
    [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`],
    [`ghcr.io/org/app:v1@${DIGEST}`, `ghcr.io/org/app:v1@${DIGEST}`],
  ];
  for (const [text, canonical] of cases) {
    test(`reads ${text} as ${canonical}`, () => {
      assert.equal(formatReference(parseReference(text)), canonical);
      assert.equal(formatReference(parseReference(canonical)), canonical);
    });
  }

  test('keeps tag and digest apart, and adds no tag to a digest', () => {
    assert.deepEqual(parseReference(`r.io/a:1@${DIGEST}`), {
      registry: 'r.io',
      repository: 'a',
      tag: '1',
      digest: DIGEST,
    });
    assert.deepEqual(parseReference(`r.io/a@${DIGEST}`), { registry: 'r.io', repository: 'a', digest: DIGEST });
  });

  const invalid: [text: string, why: RegExp][] = [
    ['', /a repository is/],
    ['Nginx', /must be in lower case/],
    ['Registry/app', /must be in lower case/],
    ['registry.example.com/Team/app', /"Team\/app" must be in lower case/],
    ['r.io/', /a repository is/],
    ['r.io//a', /a repository is/],
    ['r.io/../v2/secret', /a repository is/],
    ['r.io/a..b', /a repository is/],
    ['r.io/a___b', /a repository is/],
    ['r.io/-a', /a repository is/],
    [`r.io/${'a'.repeat(256)}`, /longer than 255/],
    ['r.io/a:', /a tag is/],
    ['r.io/a:-1', /a tag is/],
    [`r.io/a:${'1'.repeat(129)}`, /a tag is/],
    ['r.io/a:b:c', /a tag is/],
    ['r.io/a@sha256:abc', /the digest must be/],
    [`r.io/a@${DIGEST.toUpperCase()}`, /the digest must be/],
    [`r.io/a@sha512:${'a'.repeat(128)}`, /the digest must be/],
    [`r.io/a@${DIGEST}@${DIGEST}`, /more than one "@"/],
    ['user:password@r.io/a', /the digest must be/],
    ['r.io:99999/a', /not a host/],
    ['-r.io/a', /not a host/],
    ['[::zz]/a', /not a host/],
    ['[:::::1]/a', /not a host/],
    ['r.io /a', /not a host/],
    ['a'.repeat(64), /ID of a local image/],
  ];
  for (const [text, why] of invalid) {
    test(`refuses ${JSON.stringify(text.slice(0, 60))}, saying ${why.source}`, () => {
      assert.throws(
        () => parseReference(text),
        (error) => error instanceof InvalidReferenceError && why.test(error.message),
      );
    });
  }

  test('takes no time over text made to keep a grammar busy', () => {
    for (const text of [`r.io/${'a-'.repeat(2000)}!`, `${'a.'.repeat(2000)}!/a`, `r.io/${'_'.repeat(4000)}`]) {
      assert.throws(() => parseReference(text), InvalidReferenceError);
    }
  });
});

test('a reference made by hand is checked as one that was parsed', () => {
  const good = { registry: 'r.io', repository: 'a/b', tag: '1', digest: DIGEST };
  checkReference(good);
  const bad = [{ registry: 'r.io@evil.io' }, { repository: '../a' }, { tag: '../../b' }, { digest: 'sha256:1?x=' }];
  for (const part of bad) {
    assert.throws(() => checkReference({ ...good, ...part }), InvalidReferenceError);
  }
});

test("Docker Hub's API is on another host than its name", () => {
  assert.equal(apiHost('docker.io'), 'registry-1.docker.io');
  assert.equal(apiHost('registry.example.com:5000'), 'registry.example.com:5000');
});
