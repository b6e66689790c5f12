import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRecords } from './records.ts';

/** A record as nydusd writes it. */
function pattern(ino: number, secs: number, nanos: number): object {
  return { ino, nr_read: 1, first_access_time_secs: secs, first_access_time_nanos: nanos };
}

test('records come in the order of the first reads, to the microsecond', () => {
  const text = JSON.stringify([
    pattern(3, 1_800_000_001, 0),
    pattern(2, 1_800_000_000, 2000),
    pattern(1, 1_800_000_000, 999_999_000),
    pattern(4, 1_800_000_000, 1000),
  ]);
  assert.deepEqual(
    parseRecords(text, 'x').map(({ inode }) => inode),
    [4, 2, 1, 3],
  );
});

for (const [what, text] of Object.entries({
  nothing: '',
  'an HTML page': '<html>',
  'another object': '{"access_pattern_enabled":true}',
  'records without a time': '[{"ino":1,"nr_read":1}]',
  'a number that is none of an inode': JSON.stringify([{ ...pattern(0, 1, 1), ino: -1 }]),
  'a number that JavaScript cannot hold':
    '[{"ino":1e300,"nr_read":1,"first_access_time_secs":1,"first_access_time_nanos":1}]',
})) {
  test(`${what} is not taken for records, and the message says where it is from`, () => {
    assert.throws(() => parseRecords(text, 'a.json'), /^Error: a\.json holds no access records/);
  });
}
