import { readFile } from 'node:fs/promises';
import { loadKubeClient } from '../kube/client.ts';
import { openTree } from '../learn/agent.ts';
import { MAX_PATHS } from '../learn/defaults.ts';
import { propose } from '../learn/proposal.ts';
import { recordingOf, type Recording } from '../learn/recording.ts';
import { parseRecords } from '../learn/records.ts';
import type { Clock } from '../runtime/clock.ts';
import { fetchRecording } from './learn-node.ts';
import { findLearnTarget, type LearnTarget } from './learn-target.ts';
import { renderJson, renderPatch, renderTable, type Learnt } from './learn-text.ts';
import { createReader } from './reader.ts';

/** Arguments of the `learn` command. */
export interface LearnCommand {
  /** `pod/NAME`; not with `records`. */
  readonly target?: string | undefined;
  /** File with nydusd's access records; with `bootstrap`. */
  readonly records?: string | undefined;
  /** File with the tree of the same image. */
  readonly bootstrap?: string | undefined;
  readonly namespace?: string | undefined;
  readonly container?: string | undefined;
  /** Paths of the list, as it was typed. */
  readonly limit: string;
  readonly output: 'table' | 'yaml' | 'json';
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly operatorNamespace: string;
  /** Name of the operator's Deployment. */
  readonly operatorName: string;
  /** Path of nydus-snapshotter's system socket on the node. */
  readonly systemSocket: string;
  readonly userAgent: string;
  readonly clock: Pick<Clock, 'monotonic' | 'sleep'>;
  readonly stdout: { write(text: string): unknown };
}

const RENDER: Readonly<Record<LearnCommand['output'], (learnt: Learnt) => string>> = {
  table: renderTable,
  yaml: renderPatch,
  json: renderJson,
};

/**
 * Writes the list of paths to prefetch that the reads of a running Pod amount to. Changes nothing but for the Jobs on the
 * Pod's node, which are gone afterwards; with records in a file it asks no cluster.
 * @throws Error saying what could not be read or is not there, and what to do
 */
export async function runLearnCommand(command: LearnCommand, signal: AbortSignal): Promise<void> {
  const limit = parseLimit(command.limit);
  const source = await gather(command, signal);
  if (source.recording.files.length === 0) {
    throw new Error(
      'nothing was read of the image since nydusd mounted it: give the Pod time to start, and start it anew where nydusd ' +
        'was restarted meanwhile',
    );
  }
  const proposal = propose(source.recording, limit);
  if (proposal.files.length === 0) {
    throw new Error(
      `no file that was read can be listed: each, such as ${source.recording.files[0]?.path}, is more than half of the image ` +
        'or has a name that a list cannot hold; without a list, what is read is fetched as it is read',
    );
  }
  command.stdout.write(RENDER[command.output]({ ...source, proposal }));
}

async function gather(
  command: LearnCommand,
  signal: AbortSignal,
): Promise<{ recording: Recording; target?: LearnTarget }> {
  const { target, records, bootstrap } = command;
  if ((target === undefined) === (records === undefined) || (records === undefined) !== (bootstrap === undefined)) {
    throw new Error('say what to learn from: either pod/NAME, or --records FILE and --bootstrap FILE');
  }
  if (records !== undefined && bootstrap !== undefined) {
    const text = await readRecordsFile(records, signal);
    return { recording: recordingOf(parseRecords(text, records), await openTree(bootstrap, signal)) };
  }
  return await learnFromPod(command, target ?? '', signal);
}

async function learnFromPod(
  command: LearnCommand,
  text: string,
  signal: AbortSignal,
): Promise<{ recording: Recording; target: LearnTarget }> {
  const name = /^(?:pods?|po)\/([^/]+)$/.exec(text)?.[1];
  if (name === undefined) {
    throw new Error(`cannot learn from ${text}: name a running Pod as pod/NAME`);
  }
  const { kubeconfig, context, userAgent, clock, systemSocket, container } = command;
  const operator = { namespace: command.operatorNamespace, name: command.operatorName };
  const client = loadKubeClient({ kubeconfig, context, userAgent });
  try {
    const reader = createReader(client, signal);
    const namespace = command.namespace ?? client.namespace;
    const target = await findLearnTarget(reader, namespace, name, container, operator.namespace);
    const recording = await fetchRecording(target, { client, reader, clock, operator, systemSocket }, signal);
    return { target, recording };
  } finally {
    await client.close();
  }
}

async function readRecordsFile(path: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(path, { encoding: 'utf8', signal });
  } catch (error) {
    throw new Error(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function parseLimit(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > MAX_PATHS) {
    throw new Error(`--limit ${text} is not a number of paths: give 1 to ${MAX_PATHS}`);
  }
  return number;
}
