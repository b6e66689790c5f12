import { open } from 'node:fs/promises';
import { z } from 'zod';
import { readRecords } from './nydusd.ts';
import { Recording, recordingOf } from './recording.ts';
import { findMounted, Mounted } from './snapshotter.ts';
import { readTree, type Tree } from '../rafs/tree.ts';

/** A tree of some hundred thousand files has some ten MiB. */
const TREE_MAX_BYTES = 512 * 2 ** 20;

/** What the program is asked to do on a node. Paths are those that it sees itself. */
export const AgentRequest = z.discriminatedUnion('do', [
  z.strictObject({
    /** Ask nydus-snapshotter where the image is mounted. */
    do: z.literal('find'),
    /** System socket of nydus-snapshotter. */
    socket: z.string(),
    image: z.string(),
  }),
  z.strictObject({
    /** Read what nydusd recorded. */
    do: z.literal('read'),
    ...Mounted.shape,
  }),
]);
export type AgentRequest = z.infer<typeof AgentRequest>;

/** What it answers, as one line of JSON. */
export const AgentAnswer = z.union([
  z.object({ mounted: Mounted }),
  z.object({ recording: Recording }),
  z.object({ error: z.string() }),
]);
export type AgentAnswer = z.infer<typeof AgentAnswer>;

/** Does on a node what is asked for; what goes wrong is an answer too. */
export async function answerAgentRequest(text: string, signal: AbortSignal): Promise<AgentAnswer> {
  try {
    const request = AgentRequest.parse(JSON.parse(text));
    if (request.do === 'find') {
      return { mounted: await findMounted(request.socket, request.image, signal) };
    }
    const records = await readRecords(request.socket, request.instance, signal);
    return { recording: recordingOf(records, await openTree(request.bootstrap, signal)) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Reads the tree of an image from a file.
 * @throws Error naming the file and what is wrong
 */
export async function openTree(path: string, signal: AbortSignal): Promise<Tree> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > TREE_MAX_BYTES) {
      throw new Error(`it has more than ${TREE_MAX_BYTES / 2 ** 20} MiB`);
    }
    return readTree(await file.readFile({ signal }));
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`cannot read the tree ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
