import { z } from 'zod';
import { parseJson } from './json.ts';
import { parseRecords, type AccessRecord } from './records.ts';
import { getFromSocket, SocketError } from './socket.ts';

/** Some 90 bytes a file: more than any image has. */
const RECORDS_MAX_BYTES = 64 * 2 ** 20;
const STATUS_MAX_BYTES = 2 ** 20;

/** What is used of `FsIoStats` of nydus utils/src/metrics.rs. */
const FileSystem = z.object({ access_pattern_enabled: z.boolean() });

/** How nydusd is told to keep records, and what that costs. */
const HOW_TO_RECORD =
  'set "access_pattern": true in the file that daemon.nydusd_config of nydus-snapshotter\'s config.toml names, restart ' +
  'nydus-snapshotter, and start the Pod on a node of these that does not have the image yet; nydusd then keeps a hundred ' +
  'bytes for each file that is looked up';

/**
 * Asks a nydusd what was read of a file system since it was mounted.
 * @param socket path of its API socket
 * @param instance the file system's place below the daemon's mountpoint, in a daemon that serves several
 * @throws Error when records are off, or nydusd gives no usable answer; it says what to do
 */
export async function readRecords(socket: string, instance: string, signal: AbortSignal): Promise<AccessRecord[]> {
  const { query, text } = await statusOf(socket, instance, signal);
  const status = FileSystem.safeParse(parseJson(text)).data;
  if (status === undefined) {
    throw new Error(`${socket} does not answer like nydusd: it must be the API socket of nydusd 2.2 or later`);
  }
  if (!status.access_pattern_enabled) {
    throw new Error(`this nydusd keeps no access records: ${HOW_TO_RECORD}`);
  }
  const path = `/api/v1/metrics/pattern${query}`;
  return parseRecords(await getFromSocket(socket, path, RECORDS_MAX_BYTES, signal), socket);
}

/** Figures of one file system. A daemon with a single one calls it `/`, and means it when none is named. */
async function statusOf(
  socket: string,
  instance: string,
  signal: AbortSignal,
): Promise<{ query: string; text: string }> {
  for (const query of [`?id=${encodeURIComponent(instance)}`, '']) {
    try {
      return { query, text: await getFromSocket(socket, `/api/v1/metrics${query}`, STATUS_MAX_BYTES, signal) };
    } catch (error) {
      if (!(error instanceof SocketError && error.status === 404)) {
        throw error;
      }
    }
  }
  throw new Error(
    `the nydusd at ${socket} serves no file system ${instance} over FUSE: records are kept with daemon.fs_driver fusedev only`,
  );
}
