import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, test } from 'node:test';
import { PrometheusError } from './client.ts';
import { queryNumber } from './instant.ts';

const authorizations: (string | undefined)[] = [];
let stop: () => Promise<void> = async () => {};
afterEach(() => stop());

/** A Prometheus on loopback that gives this answer to every query; returns its URL. */
async function prometheus(body: string, status = 200): Promise<string> {
  const server = createServer((request, response) => {
    authorizations.push(request.headers.authorization);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stop = async () => {
    stop = async () => {};
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answer(resultType: string, result: unknown): string {
  return JSON.stringify({ status: 'success', data: { resultType, result } });
}

function ask(url: string): Promise<number> {
  const token = async (): Promise<string> => 'secret-token';
  return queryNumber({ url, token }, 'ceil(load)', AbortSignal.timeout(20_000));
}

test('a scalar and a vector of one series are one number', async () => {
  assert.equal(await ask(await prometheus(answer('scalar', [0, '3']))), 3);
  await stop();
  assert.equal(await ask(await prometheus(answer('vector', [{ metric: {}, value: [0, '4.5'] }]))), 4.5);
  assert.equal(authorizations.at(-1), 'Bearer secret-token');
});

test('whatever else comes is an error that says what it was, and whether asking again may help', async () => {
  const series = { metric: {}, value: [0, '1'] };
  const cases: [string, number, PrometheusError['kind'], RegExp][] = [
    [answer('matrix', [{ metric: {}, values: [[0, '1']] }]), 200, 'Unusable', /gives a matrix/],
    [answer('string', [0, 'x']), 200, 'Unusable', /gives a string/],
    [answer('vector', [series, series]), 200, 'Unusable', /gives 2 series, .*sum/],
    [answer('vector', []), 200, 'Empty', /gives nothing/],
    [answer('scalar', [0, 'NaN']), 200, 'Empty', /gives NaN/],
    [answer('scalar', [0, '+Inf']), 200, 'Empty', /no number of replicas/],
    [' '.repeat(10 * 1024 * 1024), 200, 'Unusable', /more than 64 KiB/],
    ['<html>', 200, 'Unusable', /something else than a query's result/],
    ['{"error":"parse error"}', 400, 'Rejected', /answered 400 to the query: parse error/],
    ['', 401, 'Rejected', /answered 401/],
    ['', 503, 'Unreachable', /answered 503/],
  ];
  for (const [body, status, kind, message] of cases) {
    const url = await prometheus(body, status);
    await assert.rejects(
      ask(url),
      (error) => error instanceof PrometheusError && error.kind === kind && message.test(error.message),
      `${status} ${body.slice(0, 60)}`,
    );
    await stop();
  }
  await assert.rejects(ask('http://127.0.0.1:1'), { kind: 'Unreachable' });
});

test('the token is not shown to where Prometheus sends on', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(302, { location: 'http://127.0.0.1:1/elsewhere' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await assert.rejects(ask(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), /answered 302/);
  server.close();
});
