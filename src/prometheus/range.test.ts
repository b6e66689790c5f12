import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, test } from 'node:test';
import { queryRange } from './range.ts';

const asked: URL[] = [];
let stop: () => Promise<void> = async () => {};
afterEach(async () => {
  asked.length = 0;
  await stop();
});

/** A Prometheus on loopback that gives this answer; returns its URL. */
async function prometheus(answer: (url: URL) => { status?: number; body: string }): Promise<string> {
  const server = createServer((request, response) => {
    void text(request).then((parameters) => {
      const url = new URL(request.url ?? '', 'http://prometheus');
      url.search = parameters;
      asked.push(url);
      const { status = 200, body } = answer(url);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function matrix(...series: [number, string][][]): string {
  const result = series.map((values) => ({ metric: {}, values }));
  return JSON.stringify({ status: 'success', data: { resultType: 'matrix', result } });
}

function ask(url: string, to = 60_000, signal = AbortSignal.timeout(20_000)): ReturnType<typeof queryRange> {
  return queryRange({ url }, { query: 'sum(rate(http_requests_total[1m]))', from: 0, to, stepMs: 15_000 }, signal);
}

test('a series is read by the range API, without what is no number', async () => {
  const url = await prometheus(() => ({
    body: matrix([
      [0, '1.5'],
      [15, 'NaN'],
      [30.5, '2'],
    ]),
  }));
  assert.deepEqual(await ask(`${url}/prefix/`), [
    { at: 0, value: 1.5 },
    { at: 30_500, value: 2 },
  ]);
  assert.equal(asked[0]?.pathname, '/prefix/api/v1/query_range');
  assert.deepEqual(Object.fromEntries(asked[0].searchParams), {
    query: 'sum(rate(http_requests_total[1m]))',
    start: '0',
    end: '60',
    step: '15',
  });
});

test('a long range is read in pieces that Prometheus accepts', async () => {
  const url = await prometheus(({ searchParams }) => ({ body: matrix([[Number(searchParams.get('start')), '1']]) }));
  const points = await ask(url, 25_000 * 15_000);
  assert.deepEqual(
    points.map(({ at }) => at),
    [0, 150_000_000, 300_000_000],
  );
});

test('what goes wrong is said with what to do', async () => {
  const cases: [{ status?: number; body: string }, RegExp][] = [
    [{ status: 400, body: '{"status":"error","error":"parse error"}' }, /answered 400 to the query: parse error/],
    [{ status: 502, body: '<html>' }, /answered 502 to the query: <html>/],
    [{ body: '<html>' }, /something else than a query's result; is this the address of Prometheus' API\?/],
    [{ body: matrix([[0, '1']], [[0, '2']]) }, /gives 2 series, and a load is one: add them up by sum/],
    [{ body: matrix() }, /fewer than two points: look at sum/],
    [{ body: '{"data":{"resultType":"matrix","result":[{"values":["x"]}]}}' }, /points that are not \[time, "value"\]/],
    [{ body: ' '.repeat(9 * 1024 * 1024) }, /more than 8192 KiB: ask for one series/],
  ];
  for (const [answer, error] of cases) {
    const url = await prometheus(() => answer);
    await assert.rejects(ask(url), error);
    await stop();
  }
  stop = async () => {};
  await assert.rejects(ask('http://127.0.0.1:1'), /127\.0\.0\.1:1 could not be asked: /);
  await assert.rejects(ask('prometheus:9090'), /is no address of Prometheus: give one such as http/);
});

test('it ends when it is told to', async () => {
  const url = await prometheus(() => ({ body: matrix() }));
  await assert.rejects(ask(url, 60_000, AbortSignal.abort(new Error('stopped by SIGINT'))), /stopped by SIGINT/);
});
