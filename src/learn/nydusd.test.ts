import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serveSocket } from '../../test/support/socket-server.ts';
import { readRecords } from './nydusd.ts';
import { getFromSocket } from './socket.ts';

const NEVER = new AbortController().signal;
const ON = { body: '{"id":"/","access_pattern_enabled":true}' };
const RECORDS = {
  body: JSON.stringify([{ ino: 7, nr_read: 3, first_access_time_secs: 1, first_access_time_nanos: 500_000_000 }]),
};
const SEVEN = [{ inode: 7, reads: 3, firstRead: 1500 }];

test('a daemon of one image is asked without a name', async () => {
  await using nydusd = await serveSocket({ '/api/v1/metrics': ON, '/api/v1/metrics/pattern': RECORDS });
  assert.deepEqual(await readRecords(nydusd.socket, '/12', NEVER), SEVEN);
});

test('a daemon of several images is asked for the one', async () => {
  await using nydusd = await serveSocket({
    '/api/v1/metrics?id=%2F12': ON,
    '/api/v1/metrics/pattern?id=%2F12': RECORDS,
    '/api/v1/metrics/pattern?id=%2F13': { body: '[]' },
  });
  assert.deepEqual(await readRecords(nydusd.socket, '/12', NEVER), SEVEN);
});

test('a daemon without such a file system says what is needed', async () => {
  await using nydusd = await serveSocket({});
  await assert.rejects(readRecords(nydusd.socket, '/12', NEVER), /serves no file system \/12 over FUSE.* fusedev/);
});

test('a daemon that keeps no records says how to turn them on', async () => {
  await using nydusd = await serveSocket({ '/api/v1/metrics': { body: '{"access_pattern_enabled":false}' } });
  await assert.rejects(readRecords(nydusd.socket, '/', NEVER), /keeps no access records: set "access_pattern": true/);
});

test('garbage is no answer of nydusd, in whichever place it comes', async () => {
  await using garbage = await serveSocket({ '/api/v1/metrics': { body: 'garbage' } });
  await assert.rejects(readRecords(garbage.socket, '/', NEVER), /does not answer like nydusd/);
  await using later = await serveSocket({ '/api/v1/metrics': ON, '/api/v1/metrics/pattern': { body: '[{}]' } });
  await assert.rejects(readRecords(later.socket, '/', NEVER), /holds no access records/);
  await using failing = await serveSocket({ '/api/v1/metrics': { status: 500, body: 'out of order' } });
  await assert.rejects(readRecords(failing.socket, '/', NEVER), /answered 500 to GET .*: out of order/);
});

test('an answer without an end is not read to its end', async () => {
  await using long = await serveSocket({ '/long': { body: 'x'.repeat(2 ** 21) } });
  await assert.rejects(getFromSocket(long.socket, '/long', 2 ** 20, NEVER), /the answer has more than 1 MiB/);
});

test('where nobody listens the socket is named', async () => {
  await assert.rejects(
    readRecords('/nowhere/api.sock', '/', NEVER),
    /\/nowhere\/api\.sock could not be asked .*ENOENT/,
  );
});
