import type { Logger } from 'pino';
import { readCredentials } from '../converter/credentials.ts';
import { describeProgress } from '../converter/progress.ts';
import { runWorker, type WorkerCommand } from '../converter/worker.ts';
import { RegistryClient } from '../registry/client.ts';
import { failureOf, ReplicateError } from './errors.ts';
import { ReplicateRequest } from './options.ts';
import { replicate } from './replicate.ts';
import type { ReplicateResult } from './result.ts';

/** Arguments of the `replicate` command; its request is a ReplicateRequest. */
export interface ReplicateCommand extends WorkerCommand {
  /** Docker config with credentials for what the artifact is read from; anonymous when absent. */
  artifactConfig?: string | undefined;
  /** The same for the source. */
  sourceConfig?: string | undefined;
  /** The same for where the copies go. */
  replicaConfig?: string | undefined;
}

/**
 * Copies to a region as a Job's worker: log and progress lines on standard output, the result in the termination message,
 * also on failure.
 * @param signal aborted when the Pod is told to stop.
 * @returns the exit code: 0 done, 1 failed and worth another attempt, 3 failed for good.
 */
export async function runReplicateCommand(command: ReplicateCommand, signal: AbortSignal): Promise<0 | 1 | 3> {
  return await runWorker<ReplicateResult>(command, {
    run: (log) => run(command, log, signal),
    failureOf,
    done: 'copied',
    failed: 'copy failed',
  });
}

async function run(command: ReplicateCommand, log: Logger, signal: AbortSignal): Promise<ReplicateResult> {
  const request = parseRequest(command.request);
  const [artifact, source, replica] = [
    await readCredentials(command.artifactConfig),
    await readCredentials(command.sourceConfig),
    await readCredentials(command.replicaConfig),
  ];
  const { registries, refusedNetworks = [] } = request;
  const registry = new RegistryClient({ registries, refusedNetworks, userAgent: command.userAgent, log });
  try {
    return await replicate(
      request,
      {
        registry,
        credentials: { artifact, source, replica },
        log,
        onProgress: (progress) => log.info({ progress }, describeProgress(progress, 'blobs')),
      },
      signal,
    );
  } finally {
    await registry.close();
  }
}

function parseRequest(text: string): ReplicateRequest {
  try {
    return ReplicateRequest.parse(JSON.parse(text));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ReplicateError('InvalidSpec', `the request is not valid: ${why}`, true, error);
  }
}
