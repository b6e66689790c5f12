import { formatBytes } from '../api/v1alpha1/bytes.ts';

/** How far a conversion is. Bytes are those of the source's layers as stored in the registry. */
export interface Progress {
  bytesDone: number;
  bytesTotal: number;
  /** 0 to 100, rounded down. */
  percent: number;
  layersDone: number;
  layersTotal: number;
}

/**
 * Progress for the person who reads a worker's log.
 * @param layers what is counted: `layers`, or `blobs` of a copy.
 */
export function describeProgress(progress: Progress, layers: 'layers' | 'blobs'): string {
  const { percent, bytesDone, bytesTotal, layersDone, layersTotal } = progress;
  return `${percent} %: ${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}, ${layersDone} of ${layersTotal} ${layers}`;
}

/** Keeps count and reports at most once an interval, plus once at the end. */
export interface ProgressMeter {
  /** Bytes of one layer that are converted so far; an attempt that starts over says 0 again. */
  layer(digest: string, bytes: number): void;
  /** A layer is converted, or was taken over. */
  layerDone(digest: string): void;
  /** Reports the last state whatever the interval. */
  finish(): void;
}

const INTERVAL_MS = 1000;

/**
 * @param layers distinct layers of the source with their size in bytes.
 * @param now monotonic milliseconds.
 */
export function progressMeter(
  layers: ReadonlyMap<string, number>,
  report: (progress: Progress) => void,
  now: () => number,
): ProgressMeter {
  const bytesTotal = [...layers.values()].reduce((sum, size) => sum + size, 0);
  const bytes = new Map<string, number>();
  const done = new Set<string>();
  let bytesDone = 0;
  let reportedAt = -Infinity;

  function set(digest: string, count: number): void {
    bytesDone += count - (bytes.get(digest) ?? 0);
    bytes.set(digest, count);
  }
  function emit(): void {
    reportedAt = now();
    const percent = bytesTotal === 0 ? 100 : Math.floor((100 * bytesDone) / bytesTotal);
    report({ bytesDone, bytesTotal, percent, layersDone: done.size, layersTotal: layers.size });
  }
  function emitIfDue(): void {
    if (now() - reportedAt >= INTERVAL_MS) {
      emit();
    }
  }
  return {
    layer(digest, count) {
      set(digest, count);
      emitIfDue();
    },
    layerDone(digest) {
      done.add(digest);
      set(digest, layers.get(digest) ?? 0);
      emitIfDue();
    },
    finish: emit,
  };
}
