import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { rootCertificates } from 'node:tls';
import { dump } from 'js-yaml';
import { kubeconfig, startApiServer, type ApiServerDouble } from '../../test/doubles/api-server.ts';
import { loopbackCertificate } from '../../test/support/loopback-certificate.ts';
import { loadKubeClient, type KubeClient } from './client.ts';
import { loadConnection } from './connection.ts';

/** Answers every request with what it says about its sender. */
async function startEcho(t: TestContext): Promise<ApiServerDouble> {
  const server = await startApiServer((response, { headers }) => {
    response.end(headers.authorization ?? 'anonymous');
  });
  t.after(() => server[Symbol.asyncDispose]());
  return server;
}

function newClient(t: TestContext, path: string, callTimeoutMs = 30_000): KubeClient {
  const client = loadKubeClient({ kubeconfig: path, userAgent: 'slipstream/1', callTimeoutMs });
  t.after(() => client.close());
  return client;
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'slipstream-kube-'));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

/** A user whose exec plugin appends a line to `runs` and prints a credential with the number of lines as its token. */
function execUser(runs: string, more: string): object {
  const script = `echo run >> ${runs}; printf '{"status":{"token":"t%s"${more}}}' $(wc -l < ${runs})`;
  return { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', script] } };
}

test('requests carry the token and the user agent', async (t) => {
  const server = await startEcho(t);
  assert.equal(await newClient(t, server.kubeconfig).raw('GET', '/'), 'Bearer a-token');
  assert.equal(server.requests[0]?.headers['user-agent'], 'slipstream/1');
});

test('a user with a password and an impersonated user are what they say', async (t) => {
  const server = await startEcho(t);
  const client = newClient(t, await server.kubeconfigFor({ username: 'u', password: 'p', as: 'other' }));
  assert.equal(await client.raw('GET', '/'), `Basic ${Buffer.from('u:p').toString('base64')}`);
  assert.equal(server.requests[0]?.headers['impersonate-user'], 'other');
});

test('a token file that changes, as a ServiceAccount token does, is read again within a minute', async (t) => {
  const server = await startEcho(t);
  const tokenFile = join(await temporaryDirectory(t), 'token');
  await writeFile(tokenFile, 'first');
  const user = { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } };
  const client = newClient(t, await server.kubeconfigFor(user));
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  assert.equal(await client.raw('GET', '/'), 'Bearer first');
  await writeFile(tokenFile, 'second');
  t.mock.timers.tick(61_000);
  assert.equal(await client.raw('GET', '/'), 'Bearer second');
});

test('calls that arrive together run an exec plugin once, and later ones when its token has expired', async (t) => {
  const server = await startEcho(t);
  const runs = join(await temporaryDirectory(t), 'runs');
  const user = execUser(runs, ',"expirationTimestamp":"2000-01-01T00:00:00Z"');
  const client = newClient(t, await server.kubeconfigFor(user));
  const together = await Promise.all(Array.from({ length: 10 }, () => client.raw('GET', '/')));
  assert.deepEqual(new Set(together), new Set(['Bearer t1']));
  assert.equal(await client.raw('GET', '/'), 'Bearer t2');
});

test('an exec plugin that hangs or fails is an error of the call', async (t) => {
  const server = await startEcho(t);
  const failing = newClient(
    t,
    await server.kubeconfigFor({ exec: { command: 'sh', args: ['-c', 'echo no >&2; exit 1'] } }),
  );
  await assert.rejects(failing.raw('GET', '/x'), { name: 'TransportError', message: 'GET /x: no\n' });
  const fifo = join(await temporaryDirectory(t), 'fifo');
  const hanging = { exec: { command: 'sh', args: ['-c', `mkfifo ${fifo}; read line < ${fifo}`] } };
  const client = newClient(t, await server.kubeconfigFor(hanging), 300);
  await assert.rejects(client.raw('GET', '/x'), /within 300 ms/);
  await writeFile(fifo, 'go\n');
});

test("the server's path comes before that of every call", async (t) => {
  const server = await startEcho(t);
  const proxied = join(await temporaryDirectory(t), 'kubeconfig');
  const text = await readFile(server.kubeconfig, 'utf8');
  await writeFile(proxied, text.replace(/(server: \S+\d)/, '$1/k8s/clusters/c-1'));
  await newClient(t, proxied).raw('GET', '/version', { query: { timeout: '5s', empty: undefined } });
  assert.equal(server.requests[0]?.url, '/k8s/clusters/c-1/version?timeout=5s');
});

/** Starts a server with {@link loopbackCertificate} that counts its connections. */
async function startTls(t: TestContext): Promise<{ url: string; connections: () => number }> {
  let connections = 0;
  const server = createHttpsServer(loopbackCertificate, (_, response) => response.end('ok'));
  server.on('secureConnection', () => (connections += 1));
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => connections };
}

test('a CA or client certificate that changes is used from the next call on, over new connections', async (t) => {
  const { url, connections } = await startTls(t);
  const directory = await temporaryDirectory(t);
  const [path, ca] = [join(directory, 'kubeconfig'), join(directory, 'ca.crt')];
  await writeFile(path, dump(kubeconfig({ server: url, 'certificate-authority': ca }, {})));
  const client = newClient(t, path);

  await writeFile(ca, loopbackCertificate.cert);
  for (let i = 0; i < 10; i++) {
    assert.equal(await client.raw('GET', '/'), 'ok');
  }
  const before = connections();
  assert.ok(before <= 2, `${before} connections`);
  await writeFile(ca, rootCertificates[0] ?? '');
  await assert.rejects(client.raw('GET', '/'), /self-signed certificate/);
  await writeFile(ca, loopbackCertificate.cert);
  assert.equal(await client.raw('GET', '/'), 'ok');
  assert.ok(connections() > before);
});

test('a cluster with a proxy-url is reached through that proxy', async (t) => {
  const { url } = await startTls(t);
  const tunnels: string[] = [];
  const proxy = createHttpServer().on('connect', (request, near) => {
    tunnels.push(request.url ?? '');
    const far = connect(Number(new URL(url).port), '127.0.0.1', () => near.write('HTTP/1.1 200 OK\r\n\r\n'));
    far.pipe(near).pipe(far);
    far.on('error', () => near.destroy());
    near.on('error', () => far.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  t.after(() => proxy.close());
  await once(proxy, 'listening');
  const path = join(await temporaryDirectory(t), 'kubeconfig');
  const cluster = {
    server: url,
    'certificate-authority-data': Buffer.from(loopbackCertificate.cert).toString('base64'),
    'proxy-url': `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
  };
  await writeFile(path, dump(kubeconfig(cluster, {})));
  const client = newClient(t, path);
  assert.equal(await client.raw('GET', '/'), 'ok');
  assert.deepEqual(tunnels, [new URL(url).host]);

  await writeFile(path, dump(kubeconfig({ ...cluster, 'proxy-url': 'socks5://127.0.0.1:1' }, {})));
  await assert.rejects(newClient(t, path).raw('GET', '/'), /only HTTP proxies work/);
});

test('a kubeconfig that leads nowhere is refused at once', async (t) => {
  const path = join(await temporaryDirectory(t), 'kubeconfig');
  await writeFile(path, dump({ ...kubeconfig({ server: 'http://127.0.0.1:1' }, {}), 'current-context': 'other' }));
  assert.throws(() => loadConnection(path), /has no current context/);
  assert.throws(() => loadConnection(`${path}.missing`), /ENOENT/);
});

test('another context than the current one can be used, and brings its namespace', async (t) => {
  const path = join(await temporaryDirectory(t), 'kubeconfig');
  const config = kubeconfig({ server: 'http://127.0.0.1:1' }, {});
  const other = { name: 'other', context: { cluster: 'test', user: 'test', namespace: 'team-a' } };
  const bare = { name: 'test', context: { cluster: 'test', user: 'test' } };
  await writeFile(path, dump({ ...config, contexts: [bare, other] }));
  assert.equal(loadConnection(path).namespace, 'default');
  assert.equal(loadConnection(path, 'other').namespace, 'team-a');
  assert.throws(() => loadConnection(path, 'third'), /has no context third, only: test, other/);
});
