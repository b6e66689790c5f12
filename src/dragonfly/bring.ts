import { SMALLEST_PIECE, sampleOffsets, wantedBytes } from './pieces.ts';
import { TASK_ID_REMEDY, probe, taskIDOf } from './probe.ts';
import type { ProbeMode, ProbeOptions, ProbeResult } from './probe.ts';
import type { Placement } from './budget.ts';
import { ProviderError } from './provider.ts';

/** Pause before asking a busy seed or origin again: doubling from the first to the second. */
const PAUSE_MS = { first: 250, longest: 5000 };

/** A blob to bring to a seed, with what the origin wants to see for it. */
export interface Errand extends Placement {
  readonly authorization: string | undefined;
}

/** How far a blob is on a seed. */
export interface BlobProgress {
  /** Bytes of those that are wanted that the seed has. */
  readonly bytes: number;
  /** What keeps it waiting. */
  readonly trouble?: string;
}

/**
 * Starts the prefetch of the whole blob, then reads a byte of each piece back, in order, behind the prefetch. A piece that
 * the prefetch does not bring is got by that: dfdaemon never starts a prefetch again that failed half way. Of a blob that is
 * wanted in part, the wanted pieces are got by reading them.
 * @throws ProviderError, or the signal's reason: it asks again while the seed or the origin is busy, until the signal aborts
 */
export async function bringBlob(
  errand: Errand,
  options: ProbeOptions,
  report: (progress: BlobProgress) => void,
): Promise<void> {
  const offsets = sampleOffsets(errand.blob);
  const whole = wantedBytes(errand.blob);
  let bytes = 0;
  for (const offset of offsets) {
    await readPiece(errand, offset, options, (trouble) => report({ bytes, trouble }));
    bytes = offset === offsets.at(-1) ? whole : Math.min(whole, bytes + SMALLEST_PIECE);
    report({ bytes });
  }
}

async function readPiece(
  errand: Errand,
  offset: number,
  options: ProbeOptions,
  onTrouble: (trouble: string) => void,
): Promise<void> {
  const mode: ProbeMode = offset === 0 && errand.blob.ranges === undefined ? 'prefetch' : 'fetch';
  for (let pause = PAUSE_MS.first; ; pause = Math.min(2 * pause, PAUSE_MS.longest)) {
    const result = await probe({ ...errand, offset, mode }, options);
    switch (result.outcome) {
      case 'served':
        if (result.taskID === taskIDOf(errand.blob)) {
          return;
        }
        throw mismatch(errand, result.taskID);
      case 'busy':
      case 'silent': {
        const wait = result.outcome === 'busy' ? result.retryAfter : undefined;
        onTrouble(`seed peer ${errand.seed.name}, ${errand.blob.digest}: ${result.message}`);
        await options.clock.sleep(wait ?? pause, options.signal);
        break;
      }
      default:
        throw failure(errand, result);
    }
  }
}

function mismatch({ seed, blob }: Errand, taskID: string): ProviderError {
  const found = `seed peer ${seed.name} files ${blob.digest} under task ${taskID}`;
  return new ProviderError('Failed', `${found}, where nobody who pulls finds it: ${TASK_ID_REMEDY}`, {
    reason: 'TaskIDMismatch',
  });
}

type Final = Exclude<ProbeResult, { outcome: 'served' | 'busy' | 'silent' }>;

function failure({ seed, blob }: Errand, result: Final): ProviderError {
  const at = `seed peer ${seed.name} at ${seed.url}`;
  switch (result.outcome) {
    case 'originRejected':
      return new ProviderError('Rejected', `seed peer ${seed.name} cannot get ${blob.url}: ${result.message}`, {
        reason: 'OriginRejected',
      });
    case 'unreachable':
      return new ProviderError('Unreachable', `${at}: ${result.message}`, { reason: 'SeedUnreachable' });
    case 'full':
      return new ProviderError('Failed', `${at} ${result.message}`, { reason: 'SeedDiskFull' });
    case 'refused':
      return new ProviderError('Failed', `${at} ${result.message}`, { reason: 'SeedUnreachable' });
    case 'missing':
      return new ProviderError('Failed', `${at} serves only what it has`);
  }
}
