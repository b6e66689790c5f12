import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Level } from 'pino';
import { createLogger } from './logger.ts';

/** A logger and the lines it has written. */
function capture(level: Level): { log: ReturnType<typeof createLogger>; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
  return { log: createLogger({ level }, { write }), lines };
}

test('a line is JSON with the level as a word, an ISO time and the message', () => {
  const { log, lines } = capture('info');
  log.info({ key: 'ns/web' }, 'reconciled');
  const { time, ...rest } = lines[0] ?? {};
  assert.deepEqual(rest, { level: 'info', key: 'ns/web', msg: 'reconciled' });
  assert.equal(new Date(String(time)).toISOString(), time);
});

test('what is below the level is not written', () => {
  const { log, lines } = capture('warn');
  log.info('quiet');
  log.warn('loud');
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['loud'],
  );
});

test('credentials are never written, however they come in', () => {
  const { log, lines } = capture('trace');
  const secrets = {
    authorization: 's3cret',
    password: 's3cret',
    token: 's3cret',
    identitytoken: 's3cret',
    auth: 's3cret',
  };
  log.info(
    { ...secrets, headers: { authorization: 's3cret', Authorization: 's3cret' }, request: { user: secrets } },
    'x',
  );
  log.child({ token: 's3cret' }).warn({ err: Object.assign(new Error('failed'), { password: 's3cret' }) }, 'y');
  assert.doesNotMatch(JSON.stringify(lines), /s3cret/);
  assert.equal(lines[0]?.['token'], '[redacted]');
});

test('an error keeps its message, its stack and what it says about the answer', () => {
  const { log, lines } = capture('info');
  log.error({ err: Object.assign(new Error('failed'), { code: 404 }) }, 'x');
  const err = lines[0]?.['err'] as { message: string; stack: string; code: number };
  assert.deepEqual([err.message, err.code], ['failed', 404]);
  assert.match(err.stack, /logger\.test\.ts/);
});
