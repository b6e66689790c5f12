import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tokensOf } from './tokens.ts';

const OLD = 'the-token-of-last-month';
const NEW = 'the-token-of-this-month';

function secret(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
}

test('every value of the Secret is a token, so that two are good while senders change over', () => {
  const tokens = tokensOf(secret({ old: OLD, new: `${NEW}\n` }));
  assert.equal(tokens.size, 2);
  for (const header of [`Bearer ${OLD}`, `Bearer ${NEW}`, `bearer  ${NEW}`, NEW]) {
    assert.equal(tokens.accepts(header), true, header);
  }
});

test('nothing else is accepted', () => {
  const tokens = tokensOf(secret({ token: OLD }));
  for (const header of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Bearer ${NEW}`,
    `Basic ${OLD}`,
    `${OLD}x`,
    OLD.slice(1),
    'x'.repeat(5000),
  ]) {
    assert.equal(tokens.accepts(header), false, header);
  }
});

test('without a Secret, or with an empty one, nobody is let in', () => {
  for (const data of [undefined, {}, secret({ token: '' }), secret({ token: '   \n' })]) {
    const tokens = tokensOf(data);
    assert.deepEqual(
      [tokens.size, tokens.accepts(''), tokens.accepts('Bearer '), tokens.accepts(undefined)],
      [0, false, false, false],
    );
  }
});

test('what can be guessed is no token, and is named', () => {
  const tokens = tokensOf(secret({ short: 'secret', token: OLD }));
  assert.deepEqual([tokens.size, tokens.refused, tokens.accepts('secret')], [1, ['short'], false]);
});

test('more tokens than a rotation needs are not compared with', () => {
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`t${index}`, `${OLD}-${index}`]));
  const tokens = tokensOf(secret(many));
  assert.deepEqual([tokens.size, tokens.refused.length], [16, 4]);
});
