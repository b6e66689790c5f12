import type { Logger } from 'pino';
import { RegistryClient } from '../registry/client.ts';
import { convert } from './convert.ts';
import { readCredentials } from './credentials.ts';
import { ConvertError, failureOf } from './errors.ts';
import { ConvertRequest } from './options.ts';
import { describeProgress } from './progress.ts';
import type { ConvertResult } from './result.ts';
import { runWorker, type WorkerCommand } from './worker.ts';

/** Arguments of the `convert` command; its request is a ConvertRequest. */
export interface ConvertCommand extends WorkerCommand {
  /** Docker config with credentials for the source; anonymous when absent. */
  sourceConfig?: string | undefined;
  /** Docker config with credentials for the target; the source's when absent. */
  targetConfig?: string | undefined;
  /** Path of nydus-image. */
  nydusImage: string;
}

/**
 * Runs a conversion as a Job's worker: log and progress lines on standard output, the result in the termination message,
 * also on failure.
 * @param signal aborted when the Pod is told to stop.
 * @returns the exit code: 0 done, 1 failed and worth another attempt, 3 failed for good.
 */
export async function runConvertCommand(command: ConvertCommand, signal: AbortSignal): Promise<0 | 1 | 3> {
  return await runWorker<ConvertResult>(command, {
    run: (log) => run(command, log, signal),
    failureOf,
    done: 'converted',
    failed: 'conversion failed',
  });
}

async function run(command: ConvertCommand, log: Logger, signal: AbortSignal): Promise<ConvertResult> {
  const request = parseRequest(command.request);
  const source = await readCredentials(command.sourceConfig);
  const target = command.targetConfig === undefined ? source : await readCredentials(command.targetConfig);
  const { registries, refusedNetworks = [] } = request;
  const registry = new RegistryClient({ registries, refusedNetworks, userAgent: command.userAgent, log });
  try {
    return await convert(
      request,
      {
        registry,
        credentials: { source, target },
        log,
        nydusImage: command.nydusImage,
        onProgress: (progress) => log.info({ progress }, describeProgress(progress, 'layers')),
      },
      signal,
    );
  } finally {
    await registry.close();
  }
}

function parseRequest(text: string): ConvertRequest {
  try {
    return ConvertRequest.parse(JSON.parse(text));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ConvertError('InvalidSpec', `the request is not valid: ${why}`, { cause: error });
  }
}
