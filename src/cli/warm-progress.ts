import { formatBytes } from '../api/v1alpha1/bytes.ts';
import type { WarmProgress } from '../dragonfly/provider.ts';
import type { Clock } from '../runtime/clock.ts';

/** What the rate is an average over. */
const RATE_WINDOW_MS = 5000;
/** How often the line is drawn again on a terminal, and how often one is written elsewhere. */
const PERIOD_MS = { terminal: 200, elsewhere: 5000 };
const BAR_WIDTH = 24;
/** Of a terminal that does not say. */
const COLUMNS = 80;
/** Back to the start of the line, and erase it (ECMA-48 EL). */
const ERASE = '\r\u001B[K';

/** Where progress is shown: standard error. */
export interface ProgressSink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** How far a warm of several images is. */
export interface Standing {
  readonly bytes: { readonly done: number; readonly total: number };
  readonly blobs: { readonly done: number; readonly total: number };
  /** Bytes a second, lately. */
  readonly rate: number;
}

/** Adds up how far the images are, and how fast that goes. */
export class ProgressMeter {
  readonly #total: WarmProgress;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #images = new Map<number, WarmProgress>();
  /** Bytes at moments, the oldest first. */
  #samples: { at: number; bytes: number }[];

  constructor(total: WarmProgress, clock: Pick<Clock, 'monotonic'>) {
    this.#total = total;
    this.#clock = clock;
    this.#samples = [{ at: clock.monotonic(), bytes: 0 }];
  }

  /** Takes what is told of one image, by its number. */
  report(image: number, progress: WarmProgress): void {
    this.#images.set(image, progress);
  }

  standing(): Standing {
    const reports = [...this.#images.values()];
    const bytes = reports.reduce((sum, report) => sum + report.bytes, 0);
    const blobs = reports.reduce((sum, report) => sum + report.blobs, 0);
    const now = this.#clock.monotonic();
    const [oldest = { at: now, bytes }] = this.#samples;
    const rate = now > oldest.at ? ((bytes - oldest.bytes) * 1000) / (now - oldest.at) : 0;
    this.#samples = [...this.#samples.filter(({ at }) => now - at < RATE_WINDOW_MS), { at: now, bytes }];
    return {
      bytes: { done: bytes, total: this.#total.bytes },
      blobs: { done: blobs, total: this.#total.blobs },
      rate,
    };
  }
}

/** How far it is, in one line: without a bar for a log. */
export function renderStanding({ bytes, blobs, rate }: Standing, withBar: boolean): string {
  const share = bytes.total === 0 ? 1 : bytes.done / bytes.total;
  const filled = Math.floor(share * BAR_WIDTH);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}] `;
  const speed = share === 1 ? 'on one seed peer, reading back and bringing it to the rest' : `${formatBytes(rate)}/s`;
  return (
    `${withBar ? bar : ''}${Math.floor(share * 100)} %  ${formatBytes(bytes.done)} of ${formatBytes(bytes.total)}  ` +
    `${blobs.done}/${blobs.total} blobs  ${speed}`
  );
}

/**
 * Shows how far it is until `work` ends: on a terminal one line that is drawn again and gone at the end, elsewhere a line now
 * and then.
 */
export async function showProgress<T>(
  work: Promise<T>,
  meter: ProgressMeter,
  sink: ProgressSink,
  clock: Pick<Clock, 'sleep'>,
): Promise<T> {
  const isTerminal = sink.isTTY === true;
  const over = new AbortController();
  const shown = repeat(isTerminal ? PERIOD_MS.terminal : PERIOD_MS.elsewhere, clock, over.signal, () => {
    const line = renderStanding(meter.standing(), isTerminal);
    sink.write(isTerminal ? `${ERASE}${line.slice(0, (sink.columns ?? COLUMNS) - 1)}` : `${line}\n`);
  });
  try {
    return await work;
  } finally {
    over.abort();
    await shown;
    if (isTerminal) {
      sink.write(ERASE);
    }
  }
}

async function repeat(ms: number, clock: Pick<Clock, 'sleep'>, signal: AbortSignal, run: () => void): Promise<void> {
  while (!signal.aborted) {
    // Rejects when the work is over, and then only.
    await clock.sleep(ms, signal).catch(() => undefined);
    if (!signal.aborted) {
      run();
    }
  }
}
