import { z } from 'zod';
import type { WatchEvent } from '../runtime/reflector.ts';
import { TransportError } from './errors.ts';
import { lines } from './lines.ts';

/** Bytes of the longest watch event: etcd's objects end at 1.5 MiB, aggregated APIs may send more. */
const LINE_LIMIT = 8 * 1024 * 1024;

/** The envelope of a watch event (metav1.WatchEvent). The object of a change is kept as it came. */
const Event = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['ADDED', 'MODIFIED', 'DELETED']), object: z.custom<object>(isObject) }),
  z.object({
    type: z.literal('BOOKMARK'),
    object: z.object({ metadata: z.object({ resourceVersion: z.string() }) }),
  }),
  z.object({ type: z.literal('ERROR'), object: z.object({ code: z.int(), message: z.string().default('') }) }),
]);

/**
 * Reads the events of a watch's answer (newline-delimited JSON, API concepts "Efficient detection of changes").
 * @param what names the watch in errors
 * @throws TransportError on anything that is not a watch event
 */
export async function* watchEvents<T>(
  chunks: AsyncIterable<Buffer>,
  what: string,
): AsyncGenerator<WatchEvent<T>, void> {
  for await (const line of lines(chunks, LINE_LIMIT, what)) {
    yield decode<T>(line, what);
  }
}

function decode<T>(line: string, what: string): WatchEvent<T> {
  const event = Event.safeParse(parseJson(line)).data;
  if (event === undefined) {
    // What came is not quoted: it may hold a part of a Secret.
    throw new TransportError(`${what}: the API server sent a line of ${line.length} characters that is no watch event`);
  }
  switch (event.type) {
    case 'BOOKMARK':
      return { type: event.type, resourceVersion: event.object.metadata.resourceVersion };
    case 'ERROR':
      return { type: event.type, ...event.object };
    default:
      return { type: event.type, object: event.object as T };
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
