import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { loadKubeClient, type KubeClient } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import { pods } from '../kube/resources.ts';
import type { Clock } from '../runtime/clock.ts';
import { gatherFacts } from './facts.ts';
import { createReader } from './reader.ts';
import { reportOf } from './report.ts';
import { existingPod, parseSubjects, type Subject } from './subjects.ts';
import { renderText } from './text.ts';

/** Arguments of the `explain` command. */
export interface ExplainCommand {
  /** `pod/NAME`; not with `filename`. */
  readonly target?: string | undefined;
  /** File with manifests; `-` is standard input. */
  readonly filename?: string | undefined;
  readonly output: 'text' | 'json';
  readonly namespace?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly operatorNamespace: string;
  /** Name of the operator's ConfigMap and webhook configuration. */
  readonly operatorName: string;
  readonly userAgent: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: { write(text: string): unknown };
}

/**
 * Writes why a Pod, or the Pods of manifests, run accelerated images or do not. Reads the cluster only, with the rights of
 * the kubeconfig's user.
 * @throws Error saying what could not be read or is not there, and what to do
 */
export async function runExplainCommand(command: ExplainCommand, signal: AbortSignal): Promise<void> {
  const { kubeconfig, context, userAgent, output, stdout } = command;
  const client = loadKubeClient({ kubeconfig, context, userAgent });
  try {
    const subjects = await readSubjects(command, client, signal);
    const operator = { namespace: command.operatorNamespace, name: command.operatorName };
    const names = new Set(subjects.map(({ namespace }) => namespace));
    const facts = await gatherFacts(createReader(client, signal), operator, [...names]);
    const now = command.clock.now();
    const reports = subjects.map((subject) => reportOf(subject, facts, now));
    stdout.write(
      output === 'json' ? `${JSON.stringify({ items: reports }, undefined, 2)}\n` : renderText(reports, now),
    );
  } finally {
    await client.close();
  }
}

async function readSubjects(
  { target, filename, namespace, stdin }: ExplainCommand,
  client: KubeClient,
  signal: AbortSignal,
): Promise<readonly Subject[]> {
  if ((target === undefined) === (filename === undefined)) {
    throw new Error('say what to explain: either pod/NAME or --filename FILE');
  }
  if (filename !== undefined) {
    const from = filename === '-' ? 'standard input' : filename;
    const text = filename === '-' ? await textOf(stdin) : await readManifest(filename);
    return parseSubjects(text, from, { wanted: namespace, fallback: client.namespace });
  }
  const name = /^(?:pods?|po)\/([^/]+)$/.exec(target ?? '')?.[1];
  if (name === undefined) {
    throw new Error(`cannot explain ${target}: name a Pod as pod/NAME, or give a workload's manifest by --filename`);
  }
  return [existingPod(await readPod(client, namespace ?? client.namespace, name, signal))];
}

async function readManifest(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

async function readPod(client: KubeClient, namespace: string, name: string, signal: AbortSignal): Promise<object> {
  try {
    return await client.get(pods, { namespace, name }, signal);
  } catch (error) {
    if (isNotFound(error)) {
      throw new Error(`there is no Pod ${name} in the namespace ${namespace}: name its namespace by --namespace`, {
        cause: error,
      });
    }
    throw error;
  }
}
