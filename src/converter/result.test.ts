import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AcceleratedImageReason } from '../api/v1alpha1/conditions.ts';
import { ConvertResult, encodeResult, exitCode, FailureReason, TERMINATION_MESSAGE_LIMIT } from './result.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const platform = (name: string) => ({
  platform: name,
  digest,
  sourceDigest: digest,
  size: 123_456_789_012,
  bootstrapSize: 123_456_789,
});

test('every failure reason is a reason of an AcceleratedImage', () => {
  const reasons: readonly string[] = Object.values(AcceleratedImageReason);
  assert.deepEqual(
    FailureReason.options.filter((reason) => !reasons.includes(reason)),
    [],
  );
});

test('the exit code tells the Job whether another attempt makes sense', () => {
  const failure = { ok: false, reason: 'ConversionFailed', message: 'it broke' } as const;
  assert.equal(exitCode({ ...failure, permanent: false }), 1);
  assert.equal(exitCode({ ...failure, permanent: true }), 3);
});

test('the largest success fits into a termination message', () => {
  const text = encodeResult({
    ok: true,
    digest,
    image: `${'r'.repeat(1000)}:${'t'.repeat(128)}@${digest}`,
    sourceDigest: digest,
    builder: 'b'.repeat(128),
    platforms: Array.from({ length: 8 }, () => platform('linux/architecture/variant')),
    timings: { pull: 3_600_000, build: 3_600_000, push: 3_600_000, total: 3_600_000 },
    bytesRead: Number.MAX_SAFE_INTEGER,
    bytesPushed: Number.MAX_SAFE_INTEGER,
    layers: { total: 127, reused: 127 },
    chunks: {
      deduplicated: Number.MAX_SAFE_INTEGER,
      bytesDeduplicated: Number.MAX_SAFE_INTEGER,
      bytesNew: Number.MAX_SAFE_INTEGER,
    },
  });
  assert.ok(Buffer.byteLength(text) <= TERMINATION_MESSAGE_LIMIT, `${Buffer.byteLength(text)} bytes`);
});

test('what was found in an image makes room for everything else, the last of it first', () => {
  const finding = { code: 'DeletedFiles', severity: 'Warning', message: '"€'.repeat(128), bytes: 1 } as const;
  const inspection = {
    platform: 'linux/amd64',
    size: 1,
    layers: 1,
    wastedBytes: 1,
    efficiency: '1.000',
    findings: Array.from({ length: 10 }, () => finding),
    moreFindings: 7,
  };
  const success = {
    ok: true,
    digest,
    image: 'r'.repeat(500),
    sourceDigest: digest,
    builder: 'b',
    platforms: [platform('linux/amd64')],
    timings: { pull: 0, build: 0, push: 0, total: 0 },
    bytesRead: 0,
    bytesPushed: 0,
    layers: { total: 1, reused: 0 },
    chunks: { deduplicated: 0, bytesDeduplicated: 0, bytesNew: 0 },
  } as const;
  const text = encodeResult({ ...success, inspection });
  assert.ok(Buffer.byteLength(text) <= TERMINATION_MESSAGE_LIMIT);
  const result = ConvertResult.parse(JSON.parse(text));
  assert.ok(result.ok && result.inspection !== undefined);
  const { findings, moreFindings = 0 } = result.inspection;
  assert.ok(findings.length > 0 && findings.length < 10);
  assert.equal(findings.length + moreFindings, 17);

  const without = ConvertResult.parse(JSON.parse(encodeResult({ ...success, image: 'r'.repeat(3500), inspection })));
  assert.ok(without.ok && without.inspection === undefined);
  const wrong = ConvertResult.parse({ ...success, inspection: { size: 'big' } });
  assert.ok(wrong.ok && wrong.inspection === undefined, 'no conversion fails for it');
});

for (const [name, character] of Object.entries({
  plain: 'x',
  'multi-byte': '€',
  escaped: '"',
  'surrogate pair': '😀',
})) {
  test(`a failure with an endless message of ${name} characters is shortened and still parses`, () => {
    const failure = { ok: false, reason: 'ConversionFailed', permanent: true } as const;
    const text = encodeResult({ ...failure, message: `the reason comes first: ${character.repeat(20_000)}` });
    assert.ok(Buffer.byteLength(text) <= TERMINATION_MESSAGE_LIMIT);
    assert.ok(Buffer.byteLength(text) > TERMINATION_MESSAGE_LIMIT / 2, 'most of the room is used');
    const result = ConvertResult.parse(JSON.parse(text));
    assert.ok(!result.ok && result.message.startsWith('the reason comes first: '));
    assert.ok(!result.ok && result.message.isWellFormed());
  });
}
