import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { RULES } from './rules.ts';

test('docs/inspection.md has every rule as it is in the table', async () => {
  const page = await readFile(join(import.meta.dirname, '../../docs/inspection.md'), 'utf8');
  const rows = page.split('\n').filter((line) => /^\| `[A-Z]\w+` \|/.test(line));
  assert.deepEqual(
    rows,
    Object.entries(RULES).map(
      ([code, { severity, meaning, remedy }]) => `| \`${code}\` | ${severity} | ${meaning} | ${remedy} |`,
    ),
  );
});
