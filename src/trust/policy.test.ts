import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { hashOfRequirements, matchesPattern, requirementsFor } from './policy.ts';

function publicPem(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .publicKey.export({ type: 'spki', format: 'pem' })
    .toString();
}

describe('a pattern of images', () => {
  for (const [pattern, repository, fits] of [
    ['registry.test/shop/**', 'registry.test/shop/web/api', true],
    ['registry.test/shop/*', 'registry.test/shop/web', true],
    ['registry.test/shop/*', 'registry.test/shop/web/api', false],
    ['registry.test/**', 'registry.test.evil.test/web', false],
    ['registry.test/web', 'registryxtest/web', false],
    ['registry.test/web', 'registry.test/web-2', false],
    ['docker.io/library/*', 'docker.io/library/nginx', true],
    ['**', 'registry.test/a/b', true],
  ] as const) {
    test(`${pattern} ${fits ? 'is for' : 'is not for'} ${repository}`, () => {
      assert.equal(matchesPattern(pattern, repository), fits);
    });
  }
});

describe('what a source must be signed by', () => {
  const [admin, tenant] = [publicPem(), publicPem()];
  const rules = [{ images: ['registry.test/shop/**'], publicKeys: [admin] }];

  test("is what the admin's rules say, and what its object asks for besides", () => {
    const both = requirementsFor('registry.test/shop/web', rules, [tenant]);
    assert.deepEqual(
      both.map(({ from }) => from),
      ["trust.sources[0] of the operator's configuration", 'spec.source.verify'],
    );
    assert.equal(requirementsFor('registry.test/shop/web', rules, undefined).length, 1);
    assert.deepEqual(requirementsFor('registry.test/other', rules, undefined), []);
  });

  test('is something else with another key', () => {
    const hash = (key: string): string => hashOfRequirements(requirementsFor('a', [], [key]));
    assert.equal(hash(admin), hash(`${admin}\n`));
    assert.notEqual(hash(admin), hash(tenant));
  });

  test('says which key is none', () => {
    assert.throws(
      () => requirementsFor('a', [], [admin, 'nonsense']),
      /spec\.source\.verify\.publicKeys\[1\]: it is not/,
    );
  });
});
