import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { toStructural } from './structural.ts';

function convert(schema: z.ZodType): object {
  return toStructural(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }), 'spec');
}

test('an object keeps its defaults, bounds, enums and CEL rules', () => {
  const rule = { rule: 'self.a != self.b', message: 'a must not be b' };
  const schema = z
    .object({
      a: z.string().max(8).regex(/^x/).default('xy').meta({ description: 'An a.' }),
      b: z.enum(['One', 'Two']).optional(),
      c: z.int().min(1).max(5).meta({ format: 'int32' }),
    })
    .meta({ 'x-kubernetes-validations': [rule] });
  assert.deepEqual(convert(schema), {
    type: 'object',
    required: ['c'],
    'x-kubernetes-validations': [rule],
    properties: {
      a: { description: 'An a.', type: 'string', default: 'xy', pattern: '^x', maxLength: 8 },
      b: { type: 'string', enum: ['One', 'Two'] },
      c: { type: 'integer', format: 'int32', minimum: 1, maximum: 5 },
    },
  });
});

test('an integer without bounds has none, although zod bounds it by what a double can hold', () => {
  assert.deepEqual(convert(z.int().meta({ format: 'int64' })), { type: 'integer', format: 'int64' });
});

test('a time needs no pattern and no length: the API server parses it', () => {
  assert.deepEqual(convert(z.iso.datetime()), { type: 'string', format: 'date-time' });
});

test('a quantity is an integer or a string without a type, and the pattern stands beside it', () => {
  const quantity = z
    .union([
      z.int(),
      z
        .string()
        .max(32)
        .regex(/^[0-9]+$/),
    ])
    .meta({ 'x-kubernetes-int-or-string': true });
  assert.deepEqual(convert(z.record(z.string(), quantity).meta({ maxProperties: 2 })), {
    type: 'object',
    maxProperties: 2,
    additionalProperties: {
      anyOf: [{ type: 'integer' }, { type: 'string' }],
      pattern: '^[0-9]+$',
      maxLength: 32,
      'x-kubernetes-int-or-string': true,
    },
  });
});

test('what is not structural is refused, with the path to it', () => {
  const nested = (schema: z.ZodType): z.ZodType => z.object({ a: z.array(z.object({ b: schema })).max(1) });
  assert.throws(() => convert(nested(z.union([z.boolean(), z.int()]))), /^Error: spec\.a\[\]\.b: "anyOf" has no place/);
  assert.throws(() => convert(nested(z.never())), /spec\.a\[\]\.b: "not" has no place/);
});

test('what has no upper bound is refused, with the path to it', () => {
  assert.throws(() => convert(z.object({ a: z.string() })), /spec\.a: a string needs a maxLength/);
  assert.throws(() => convert(z.object({ a: z.array(z.int()) })), /spec\.a: a list needs maxItems/);
  assert.throws(() => convert(z.object({ a: z.record(z.string(), z.int()) })), /spec\.a: a map needs maxProperties/);
});
