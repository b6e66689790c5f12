/** Tells a person at a terminal, or the reader of a log, what is being done and how long each step took. */
export interface Progress {
  /** Runs a step and prints one line for it, with its time, when it is over. Steps may overlap. */
  step<T>(label: string, run: () => Promise<T>): Promise<T>;
  /** Prints one line. */
  note(text: string): void;
}

interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
}

const REFRESH_MS = 200;
/** Where nothing can be overwritten, a long step says now and then that it still runs. */
const HEARTBEAT_MS = 30_000;

function seconds(since: number): string {
  const elapsed = (performance.now() - since) / 1000;
  return `${elapsed < 10 ? elapsed.toFixed(1) : elapsed.toFixed(0)} s`;
}

/**
 * A progress printer. On a terminal the running steps stand on a last line that is kept up to date; elsewhere a step
 * is printed when it is over, and each half minute before.
 */
export function createProgress(output: Output = process.stderr): Progress {
  const running = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;

  function line(text: string): void {
    output.write(output.isTTY ? `\r\x1b[2K${text}\n` : `${text}\n`);
  }
  function tick(): void {
    const text = [...running].map(([label, since]) => `${label} … ${seconds(since)}`).join(', ');
    if (output.isTTY) output.write(`\r\x1b[2K${text.slice(0, 118)}`);
    else line(`… ${text}`);
  }
  function schedule(): void {
    if (running.size > 0 && timer === undefined) {
      timer = setInterval(tick, output.isTTY ? REFRESH_MS : HEARTBEAT_MS).unref();
    }
    if (running.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  }

  async function step<T>(label: string, run: () => Promise<T>): Promise<T> {
    const since = performance.now();
    running.set(label, since);
    schedule();
    let outcome = 'failed after';
    try {
      const result = await run();
      outcome = '';
      return result;
    } finally {
      running.delete(label);
      schedule();
      line(`${label} … ${outcome}${outcome && ' '}${seconds(since)}`);
    }
  }
  return { step, note: line };
}
