import { writeFile } from 'node:fs/promises';
import { pino, type DestinationStream, type Logger } from 'pino';
import { encodeResult, exitCode, type Reported } from './result.ts';

/** Arguments that the command of every Job's worker has. */
export interface WorkerCommand {
  /** What to do, as JSON. */
  request: string;
  /** File for the result, which the kubelet puts into the Pod's status. */
  terminationMessage: string;
  /** User-Agent for registries. */
  userAgent: string;
  logLevel: string;
  /** Where log and progress lines go. */
  stdout: DestinationStream;
}

/** What a worker does, and the words for how it ended. */
export interface Work<Result extends Reported> {
  run(log: Logger): Promise<Result>;
  /** The failure that an error amounts to. */
  failureOf(error: unknown): Result;
  done: string;
  failed: string;
}

/**
 * Does the work of a Job: log and progress lines on standard output, the result in the termination message, also on failure.
 * @returns the exit code: 0 done, 1 failed and worth another attempt, 3 failed for good.
 */
export async function runWorker<Result extends Reported>(
  { logLevel, stdout, terminationMessage }: WorkerCommand,
  work: Work<Result>,
): Promise<0 | 1 | 3> {
  const log = pino({ level: logLevel }, stdout);
  let result: Result;
  try {
    result = await work.run(log);
  } catch (error) {
    result = work.failureOf(error);
  }
  if (result.ok) {
    log.info({ result }, work.done);
  } else {
    log.error({ result }, work.failed);
  }
  try {
    await writeFile(terminationMessage, encodeResult(result));
  } catch (error) {
    log.error({ err: error, path: terminationMessage }, 'cannot write the termination message');
    return 1;
  }
  return exitCode(result);
}
