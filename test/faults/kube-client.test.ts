import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test, type TestContext } from 'node:test';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { KubeError, TransportError } from '../../src/kube/errors.ts';
import { pods, type Pod } from '../../src/kube/resources.ts';
import type { WatchEvent } from '../../src/runtime/reflector.ts';
import { sendJson, startApiServer, type Answer, type ApiServerDouble } from '../doubles/api-server.ts';
import { collect } from '../support/collect.ts';

const ADDED = '{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"2"}}}\n';

interface Setup {
  client: KubeClient;
  server: ApiServerDouble;
}

async function setUp(t: TestContext, answer: Answer, callTimeoutMs?: number): Promise<Setup> {
  const server = await startApiServer(answer);
  const timeout = callTimeoutMs === undefined ? {} : { callTimeoutMs };
  const client = loadKubeClient({ kubeconfig: server.kubeconfig, userAgent: 'test', ...timeout });
  t.after(async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
  });
  return { client, server };
}

function watchPods(client: KubeClient, signal = new AbortController().signal): AsyncIterable<WatchEvent<Pod>> {
  return client.watch(pods, { namespace: 'ns', resourceVersion: '1', timeoutSeconds: 300 }, signal);
}

test('a watch that the server resets yields what came before, and then fails', async (t) => {
  const { client } = await setUp(t, (response) => {
    response.write(ADDED, () => response.destroy());
  });
  const seen: string[] = [];
  await assert.rejects(async () => {
    for await (const event of watchPods(client)) {
      seen.push(event.type);
    }
  }, TransportError);
  assert.deepEqual(seen, ['ADDED']);
});

test('a watch that the server ends, ends without an error', async (t) => {
  const { client, server } = await setUp(t, (response) => response.end(`${ADDED}${ADDED}`));
  const events = await collect(watchPods(client));
  assert.equal(events.length, 2);
  const query = new URL(server.requests[0]?.url ?? '', 'http://x').searchParams;
  assert.equal(query.get('watch'), 'true');
  assert.equal(query.get('allowWatchBookmarks'), 'true');
  assert.equal(query.get('resourceVersion'), '1');
  assert.equal(query.get('timeoutSeconds'), '300');
});

test('events arrive whole however the network cuts them, and bookmarks carry their version', async (t) => {
  const bookmark = '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}\n';
  const bytes = Buffer.from(ADDED.replace('"a"', '"ä€"') + bookmark);
  const { client } = await setUp(t, async (response) => {
    for (const byte of bytes) {
      await new Promise((resolve) => response.write(Buffer.of(byte), resolve));
    }
    response.end();
  });
  const [added, second] = await collect(watchPods(client));
  assert.equal(added?.type === 'ADDED' && added.object.metadata.name, 'ä€');
  assert.deepEqual(second, { type: 'BOOKMARK', resourceVersion: '7' });
});

test('an error in the middle of a watch is an event with its code', async (t) => {
  const status = { kind: 'Status', status: 'Failure', code: 410, reason: 'Expired', message: 'too old' };
  const { client } = await setUp(t, (response) =>
    response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`),
  );
  assert.deepEqual(await collect(watchPods(client)), [{ type: 'ERROR', code: 410, message: 'too old' }]);
});

test('a line that is no watch event fails the watch, and is not quoted', async (t) => {
  for (const garbage of ['{"type":"ADDED","object":{"password":"hunter2"', '{"type":"NEW","object":{}}', '"hunter2"']) {
    const { client } = await setUp(t, (response) => response.end(`${garbage}\n${ADDED}`));
    await assert.rejects(collect(watchPods(client)), (error) => {
      assert.ok(error instanceof TransportError);
      assert.match(error.message, /no watch event/);
      assert.doesNotMatch(JSON.stringify([error.message, error.cause]), /hunter2/);
      return true;
    });
  }
});

test('a last line that is cut off fails the watch', async (t) => {
  const { client } = await setUp(t, (response) => response.end(ADDED.slice(0, 20)));
  await assert.rejects(collect(watchPods(client)), /a line of 20 characters that is no watch event/);
});

test('a line without an end is not kept in memory', async (t) => {
  const { client } = await setUp(t, (response) => response.end(Buffer.alloc(9 * 1024 * 1024, 'x')));
  await assert.rejects(collect(watchPods(client)), /longer than 8388608 bytes/);
});

test('leaving the loop cancels the watch at the server', async (t) => {
  const closed = Promise.withResolvers<void>();
  const { client } = await setUp(t, (response) => {
    response.once('close', closed.resolve);
    response.write(ADDED);
  });
  for await (const event of watchPods(client)) {
    assert.equal(event.type, 'ADDED');
    break;
  }
  await closed.promise;
});

test("a watch ends with the reason of the caller's signal", async (t) => {
  const { client } = await setUp(t, (response) => response.write(ADDED));
  const controller = new AbortController();
  const reason = new Error('the manager stops');
  await assert.rejects(async () => {
    for await (const event of watchPods(client, controller.signal)) {
      assert.equal(event.type, 'ADDED');
      controller.abort(reason);
    }
  }, reason);
});

test('what the consumer of a watch throws comes out as it is', async (t) => {
  const { client } = await setUp(t, (response) => response.write(ADDED));
  const mine = new Error('mine');
  await assert.rejects(async () => {
    for await (const event of watchPods(client)) {
      assert.ok(event);
      throw mine;
    }
  }, mine);
});

test('a watch on a server that never ends it is given up ten seconds after its time', async (t) => {
  const asked = Promise.withResolvers<void>();
  const { client } = await setUp(t, () => asked.resolve());
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const ended = assert.rejects(collect(watchPods(client)), /did not finish its answer within 310000 ms/);
  await asked.promise;
  t.mock.timers.tick(310_000);
  await ended;
});

test('a call that is never answered fails after its time, and the client goes on', async (t) => {
  const { client } = await setUp(
    t,
    (response, { url }) => {
      if (url !== '/silent') {
        response.end('ok');
      }
    },
    200,
  );
  await assert.rejects(client.raw('GET', '/silent'), (error) => {
    assert.ok(error instanceof TransportError);
    assert.match(error.message, /^GET \/silent: .*within 200 ms/);
    return true;
  });
  assert.equal(await client.raw('GET', '/version'), 'ok');
});

test('an answer that stops half-way fails after its time', async (t) => {
  const { client } = await setUp(t, (response) => response.write('{"metadata":'), 200);
  await assert.rejects(client.get(pods, { namespace: 'ns', name: 'a' }), /within 200 ms/);
});

test('an answer that is cut off is no answer', async (t) => {
  const { client } = await setUp(t, (response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{"metadata":{}}', () => response.destroy());
  });
  await assert.rejects(client.get(pods, { namespace: 'ns', name: 'a' }), TransportError);
});

test('a 429 says after how many milliseconds to come again', async (t) => {
  const status = { kind: 'Status', code: 429, reason: 'TooManyRequests', message: 'slow down' };
  const { client } = await setUp(t, (response) => {
    response.setHeader('retry-after', '7');
    sendJson(response, 429, status);
  });
  for (const call of [() => client.list(pods, {}), () => collect(watchPods(client))]) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof KubeError);
      assert.deepEqual([error.code, error.reason, error.retryAfter], [429, 'TooManyRequests', 7000]);
      assert.match(error.message, /slow down/);
      return true;
    });
  }
});

test("a load balancer's error page is an error with its status, and is read only in part", async (t) => {
  const page = `<html>${'x'.repeat(1024 * 1024)}`;
  const { client } = await setUp(t, (response) => response.writeHead(502).write(page));
  await assert.rejects(client.get(pods, { namespace: 'ns', name: 'a' }), (error) => {
    assert.ok(error instanceof KubeError);
    assert.deepEqual([error.code, error.reason], [502, 'Unknown']);
    assert.ok(error.message.length < 400);
    return true;
  });
});

test('an answer that is not JSON is an error that does not quote it', async (t) => {
  const { client } = await setUp(t, (response) => response.end('hunter2'));
  await assert.rejects(client.get(pods, { namespace: 'ns', name: 'a' }), (error) => {
    assert.ok(error instanceof TransportError);
    assert.doesNotMatch(error.message, /hunter2/);
    return true;
  });
});

test('a server that is not there is an error that names the call and no credentials', async (t) => {
  const server = await startApiServer((response) => response.end());
  const client = loadKubeClient({ kubeconfig: server.kubeconfig, userAgent: 'test' });
  t.after(() => client.close());
  await server[Symbol.asyncDispose]();
  await assert.rejects(client.get(pods, { namespace: 'ns', name: 'a' }), (error) => {
    assert.ok(error instanceof TransportError);
    assert.match(error.message, /^GET \/api\/v1\/namespaces\/ns\/pods\/a: .*ECONNREFUSED/);
    assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /a-token/);
    return true;
  });
});

test('calls and watches leave nothing behind on a signal that outlives them', async (t) => {
  const { client } = await setUp(t, (response) => response.end(ADDED));
  const { signal } = new AbortController();
  await collect(watchPods(client, signal));
  await client.raw('GET', '/version', {}, signal);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});
