import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChallenges } from './challenge.ts';

function parse(field: string | string[] | undefined): [string, Record<string, string>][] {
  return parseChallenges(field).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
}

test('reads the challenge of a token registry', () => {
  const field =
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"';
  assert.deepEqual(parse(field), [
    [
      'bearer',
      { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:a/b:pull,push' },
    ],
  ]);
});

test('reads several challenges in one field, with quoted commas and unquoted values', () => {
  const field = 'Negotiate, NTLM TlRMTVNTUAAB==, BASIC Realm="a, \\"b\\" = c" , charset=UTF-8,Bearer realm = "x"';
  assert.deepEqual(parse(field), [
    ['negotiate', {}],
    ['ntlm', {}],
    ['basic', { realm: 'a, "b" = c', charset: 'UTF-8' }],
    ['bearer', { realm: 'x' }],
  ]);
});

test('reads repeated fields', () => {
  assert.deepEqual(parse(['Basic realm="a"', 'Bearer realm="b"']), [
    ['basic', { realm: 'a' }],
    ['bearer', { realm: 'b' }],
  ]);
});

test('no field and no sense are no challenge', () => {
  assert.deepEqual(parse(undefined), []);
  assert.deepEqual(parse(''), []);
  assert.deepEqual(parse('"quoted"'), []);
  assert.ok(parseChallenges('Bearer realm="never ends').every(({ parameters }) => parameters.size === 0));
});
