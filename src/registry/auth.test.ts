import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDockerConfig } from './auth.ts';
import { RegistryError } from './errors.ts';

function store(auths: Record<string, unknown>): ReturnType<typeof parseDockerConfig> {
  return parseDockerConfig(JSON.stringify({ auths }));
}

function auth(username: string, password: string): { auth: string } {
  return { auth: Buffer.from(`${username}:${password}`).toString('base64') };
}

describe('parseDockerConfig', () => {
  test('reads auth, which wins over username and password', () => {
    const found = store({ 'r.io': { ...auth('ann', 'pa:ss'), username: 'bob', password: 'other' } }).lookup(
      'r.io',
      'a',
    );
    assert.deepEqual(found, { username: 'ann', password: 'pa:ss' });
  });

  test('reads username and password where there is no auth', () => {
    const found = store({ 'r.io': { username: 'bob', password: 'secret', auth: '' } }).lookup('r.io', 'a');
    assert.deepEqual(found, { username: 'bob', password: 'secret' });
  });

  test('reads an identity token, and then no password', () => {
    const found = store({ 'r.io': { ...auth('ann', ''), identitytoken: 'refresh' } }).lookup('r.io', 'a');
    assert.deepEqual(found, { username: 'ann', identityToken: 'refresh' });
  });

  for (const key of [
    'docker.io',
    'index.docker.io',
    'https://index.docker.io/v1/',
    'registry-1.docker.io',
    'https://docker.io/v2/',
  ]) {
    test(`finds Docker Hub under ${key}`, () => {
      assert.equal(store({ [key]: auth('hub', 'p') }).lookup('docker.io', 'library/nginx')?.username, 'hub');
    });
  }

  test('the longest path wins, and only whole components match', () => {
    const credentials = store({
      'r.io': auth('host', 'p'),
      'https://r.io/v2/team': auth('team', 'p'),
      'r.io/team/app/': auth('app', 'p'),
    });
    assert.equal(credentials.lookup('r.io', 'team/app')?.username, 'app');
    assert.equal(credentials.lookup('r.io', 'team/app/sub')?.username, 'app');
    assert.equal(credentials.lookup('r.io', 'team/apple')?.username, 'team');
    assert.equal(credentials.lookup('r.io', 'teams')?.username, 'host');
  });

  test('a repository that begins with v2 is not taken for the API version', () => {
    assert.equal(store({ 'r.io/v2ray': auth('a', 'p') }).lookup('r.io', 'v2ray')?.username, 'a');
    assert.equal(store({ 'r.io/v2ray': auth('a', 'p') }).lookup('r.io', 'other'), undefined);
  });

  test('a wildcard stands for one label, and a named host wins over it', () => {
    const credentials = store({ '*.azurecr.io': auth('any', 'p'), 'one.azurecr.io': auth('one', 'p') });
    assert.equal(credentials.lookup('two.azurecr.io', 'a')?.username, 'any');
    assert.equal(credentials.lookup('one.azurecr.io', 'a')?.username, 'one');
    assert.equal(credentials.lookup('a.b.azurecr.io', 'a'), undefined);
    assert.equal(credentials.lookup('azurecr.io', 'a'), undefined);
  });

  test('credentials of one host are never found for another', () => {
    const credentials = store({
      'r.io': auth('a', 'p'),
      'ports.io:5000': auth('b', 'p'),
      '[::1]:5000': auth('c', 'p'),
    });
    for (const host of ['r.io.evil.com', 'evilr.io', 'rxio', 'r.io:5000', 'ports.io', 'ports.io:50001', 'sub.r.io']) {
      assert.equal(credentials.lookup(host, 'a'), undefined, host);
    }
    assert.equal(credentials.lookup('R.IO', 'a')?.username, 'a');
    assert.equal(credentials.lookup('ports.io:5000', 'a')?.username, 'b');
    assert.equal(credentials.lookup('[::1]:5000', 'a')?.username, 'c');
  });

  test('without auths, or with empty entries, everybody is anonymous', () => {
    assert.equal(parseDockerConfig('{"credsStore":"desktop"}').lookup('r.io', 'a'), undefined);
    assert.equal(store({ 'r.io': {}, '': auth('a', 'p') }).lookup('r.io', 'a'), undefined);
  });

  test("an entry that cannot be used says why, without showing it, and is in nobody else's way", () => {
    const credentials = parseDockerConfig(
      JSON.stringify({
        auths: {
          'bad.io': { auth: 'aHVudGVyMg==' },
          'empty.io': {},
          'r.io': auth('ann', 'p'),
          'r.io/team': { auth: '%%%' },
        },
        credHelpers: { 'ecr.io': 'ecr-login' },
      }),
    );
    assert.match(credentials.problem('bad.io', 'a') ?? '', /auth of its entry bad\.io is not the base64/);
    assert.doesNotMatch(credentials.problem('bad.io', 'a') ?? '', /hunter2|aHVudGVyMg/);
    assert.match(credentials.problem('empty.io', 'a') ?? '', /neither an auth nor a username/);
    assert.match(credentials.problem('ecr.io', 'a') ?? '', /credential helper "ecr-login"/);
    assert.deepEqual([credentials.problem('r.io', 'a'), credentials.problem('other.io', 'a')], [undefined, undefined]);
    assert.equal(credentials.lookup('r.io', 'team/app')?.username, 'ann');
    assert.equal(credentials.problem('r.io', 'team/app'), undefined);
  });

  test('of a config that a laptop wrote, it says where the credentials are', () => {
    const credentials = parseDockerConfig('{"auths":{"r.io":{}},"credsStore":"desktop"}');
    assert.match(credentials.problem('r.io', 'a') ?? '', /credential helper "desktop" of the machine/);
  });

  for (const text of [
    'hunter2',
    '[]',
    '{"auths":{"r.io":{"auth":{"hunter2":1}}}}',
    '{"auths":{"r.io":"hunter2"}}',
    '{"a":"hunter2',
  ]) {
    test(`refuses ${text.replaceAll('hunter2', '…')} without showing it`, () => {
      assert.throws(
        () => parseDockerConfig(text),
        (error) =>
          error instanceof RegistryError &&
          error.kind === 'Invalid' &&
          !/hunter2/.test(`${error.message} ${String(error.cause)}`),
      );
    });
  }
});
