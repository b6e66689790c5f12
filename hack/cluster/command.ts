import type { Progress } from '../tools/progress.ts';

/** Runs a command's work and makes its result this process's exit code; an error is printed, and the code is 1. */
export async function report(progress: Progress, work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    progress.note(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}

/** Aborted when this process is told to end. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => controller.abort(new Error(`ended by ${signal}`)));
  }
  return controller.signal;
}
