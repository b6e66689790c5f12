import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream/promises';
import type { Blob } from '../../../src/dragonfly/provider.ts';

/** Bytes that nydusd asks for at once, and how many such requests it has under way. */
const RANGE = 1024 * 1024;
const AT_ONCE = 4;

/**
 * Reads blobs as another node's nydusd would: in ranges, by its proxy's address where there is one, else from the registry.
 * @param proxy base URL of a Dragonfly peer's HTTP proxy
 */
export async function pull(blobs: readonly Blob[], proxy: string | undefined): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  try {
    for (const blob of blobs) {
      const starts = Array.from({ length: Math.ceil(blob.size / RANGE) }, (_, index) => index * RANGE);
      const reader = async (): Promise<void> => {
        for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
          await readRange(blob, start, Math.min(start + RANGE, blob.size), proxy, agent);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, reader));
    }
  } finally {
    agent.destroy();
  }
}

async function readRange(
  blob: Blob,
  start: number,
  end: number,
  proxy: string | undefined,
  agent: Agent,
): Promise<void> {
  const origin = new URL(blob.url);
  const to = proxy === undefined ? origin : new URL(proxy);
  const sent = request({
    agent,
    host: to.hostname,
    port: to.port,
    // RFC 9112, section 3.2.2: a proxy is asked for the whole URL.
    path: proxy === undefined ? origin.pathname : blob.url,
    headers: { host: origin.host, range: `bytes=${start}-${end - 1}` },
  });
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  let bytes = 0;
  answer.on('data', (chunk: Buffer) => (bytes += chunk.length));
  await finished(answer);
  if (answer.statusCode !== 206 || bytes !== end - start) {
    throw new Error(`${blob.url}: ${answer.statusCode} and ${bytes} bytes instead of 206 and ${end - start}`);
  }
}
