import pLimit from 'p-limit';
import type { Placement } from './budget.ts';
import { sampleOffsets, wantedKey } from './pieces.ts';
import { TASK_ID_REMEDY, probe, taskIDOf } from './probe.ts';
import type { ProbeOptions, ProbeResult } from './probe.ts';
import type { Blob, BlobReason, BlobState, Seed, WarmImage } from './provider.ts';

/** Requests that one verification sends to one seed at once: dfdaemon answers one in a millisecond or two. */
const CONCURRENCY = 4;
/** A seed that limits its requests refills once a second. */
const BUSY_PAUSE_MS = 1000;
/** How often a seed is asked: one that is busy, and one that did not answer, such as over a connection that it has closed. */
const ATTEMPTS = { busy: 5, silent: 2 };
/** Pairs of seed and blob that are remembered as once warm. */
const MEMORY = 50_000;

/** Which blobs were seen whole, or all that is wanted of them, and where; bounded, the oldest goes first. */
export interface WarmMemory {
  /** Notes that all of a blob was there. */
  remember(seed: Seed, blob: Blob): void;
  /** Notes that it is not any more. */
  forget(seed: Seed, blob: Blob): void;
  /** Whether it was ever there. */
  knows(seed: Seed, blob: Blob): boolean;
  /** How often it has been seen there without a break; 0 when it was not there at the last look. */
  timesSeen(seed: Seed, blob: Blob): number;
}

/**
 * Makes an empty {@link WarmMemory}.
 * @param onSeen called whenever all of a blob was seen on a seed
 */
export function createWarmMemory(onSeen: (placement: Placement) => void = () => undefined): WarmMemory {
  const seen = new Map<string, number>();
  const key = (seed: Seed, blob: Blob): string => `${seed.name} ${wantedKey(blob)}`;
  return {
    remember(seed, blob) {
      onSeen({ seed, blob });
      const times = seen.get(key(seed, blob)) ?? 0;
      seen.delete(key(seed, blob));
      seen.set(key(seed, blob), times + 1);
      const [oldest] = seen.keys();
      if (seen.size > MEMORY && oldest !== undefined) {
        seen.delete(oldest);
      }
    },
    forget(seed, blob) {
      if (seen.has(key(seed, blob))) {
        seen.set(key(seed, blob), 0);
      }
    },
    knows: (seed, blob) => seen.has(key(seed, blob)),
    timesSeen: (seed, blob) => seen.get(key(seed, blob)) ?? 0,
  };
}

/**
 * Reads blobs of an image back from the seeds on which they are to be.
 *
 * A byte of each piece is asked for in `local` mode, in which a seed can only serve from its own store: what comes back whole
 * is warm, at no cost to the origin. A blob that was whole at the last look is asked for its last piece and for another one
 * each time: dfdaemon throws blobs away whole. For a blob that is not warm, one byte is asked for as a puller would, which
 * costs the origin one piece at most, to say why.
 * @throws the signal's reason
 */
export async function verifyImage(
  { authorization }: Pick<WarmImage, 'authorization'>,
  placements: readonly Placement[],
  memory: WarmMemory,
  options: ProbeOptions,
): Promise<BlobState[]> {
  const bySeed = Map.groupBy(placements, ({ seed }) => seed);
  const states = await Promise.all(
    [...bySeed.values()].map((onSeed) => verifySeed(onSeed, authorization, memory, options)),
  );
  return states.flat();
}

/** All of one seed. */
async function verifySeed(
  placements: readonly Placement[],
  authorization: string | undefined,
  memory: WarmMemory,
  options: ProbeOptions,
): Promise<BlobState[]> {
  const limit = pLimit(CONCURRENCY);
  let down: BlobState | undefined;
  return await Promise.all(
    placements.map(({ seed, blob }) =>
      limit(async () => {
        // One refused connection speaks for the whole seed: the rest need not wait for theirs.
        const state =
          down === undefined
            ? await verifyBlob({ seed, blob, authorization }, memory, options)
            : { ...down, digest: blob.digest };
        down = state.reason === 'SeedUnreachable' ? state : down;
        return state;
      }),
    ),
  );
}

interface Subject {
  seed: Seed;
  blob: Blob;
  authorization: string | undefined;
}

async function verifyBlob(subject: Subject, memory: WarmMemory, options: ProbeOptions): Promise<BlobState> {
  const { seed, blob } = subject;
  const offsets = offsetsToRead(blob, memory.timesSeen(seed, blob));
  for (const offset of offsets) {
    const result = await patiently(() => probe({ seed, blob, offset, mode: 'local' }, options), options);
    if (result.outcome === 'served' && result.taskID === taskIDOf(blob)) {
      continue;
    }
    if (result.outcome === 'missing') {
      memory.forget(seed, blob);
      return await explainMissing(subject, `the piece at ${offset} of ${blob.size}`, memory, options);
    }
    return stateOf(subject, result, '', memory);
  }
  memory.remember(seed, blob);
  return { digest: blob.digest, seed: seed.name, warm: true };
}

/** All pieces of a blob, until it has been seen whole; then its last one, and the others by turns. */
function offsetsToRead(blob: Blob, timesSeen: number): number[] {
  const offsets = sampleOffsets(blob);
  const [turn] = offsets.slice(timesSeen % offsets.length);
  const last = offsets.at(-1);
  return timesSeen === 0 || turn === undefined || last === undefined ? offsets : [...new Set([turn, last])];
}

/** Asks as a puller would. This also clears the failure that the `local` request left on the seed's task. */
async function explainMissing(
  subject: Subject,
  missing: string,
  memory: WarmMemory,
  options: ProbeOptions,
): Promise<BlobState> {
  const [offset = 0] = sampleOffsets(subject.blob);
  const result = await patiently(() => probe({ ...subject, offset, mode: 'fetch' }, options), options);
  return stateOf(subject, result, missing, memory);
}

function stateOf({ seed, blob }: Subject, result: ProbeResult, missing: string, memory: WarmMemory): BlobState {
  const say = (reason: BlobReason, message: string): BlobState => ({
    digest: blob.digest,
    seed: seed.name,
    warm: false,
    reason,
    message,
  });
  switch (result.outcome) {
    case 'served':
      if (result.taskID !== taskIDOf(blob)) {
        return say(
          'TaskIDMismatch',
          `${seed.name} files ${blob.digest} under task ${result.taskID}: ${TASK_ID_REMEDY}`,
        );
      }
      return memory.knows(seed, blob)
        ? say('Evicted', `${seed.name} had all of ${blob.digest} and has not any more: ${missing} is missing`)
        : say('Cold', `${seed.name} does not have all of ${blob.digest}: ${missing} is missing`);
    case 'originRejected':
      return say('OriginRejected', `${seed.name} cannot get ${blob.digest}: ${result.message}`);
    case 'unreachable':
      return say('SeedUnreachable', `${seed.name} at ${seed.url} cannot be reached: ${result.message}`);
    case 'full':
      return say('SeedDiskFull', `${seed.name} does not have all of ${blob.digest}, and ${result.message}`);
    case 'refused':
      return say('SeedUnreachable', `${seed.name} at ${seed.url} ${result.message}`);
    case 'busy':
    case 'silent':
      // The seed is there and does not have the blob; what keeps it from getting it now is the message.
      return missing === ''
        ? say('SeedUnreachable', `${seed.name} at ${seed.url} does not answer: ${result.message}`)
        : say('Cold', `${seed.name} does not have all of ${blob.digest}, and cannot get it now: ${result.message}`);
    case 'missing':
      return say('Cold', `${seed.name} does not have all of ${blob.digest}`);
  }
}

/** Asks again while the seed limits its requests, stumbles or says nothing, a few times. */
async function patiently(ask: () => Promise<ProbeResult>, { clock, signal }: ProbeOptions): Promise<ProbeResult> {
  for (let attempt = 1; ; attempt++) {
    const result = await ask();
    if ((result.outcome !== 'busy' && result.outcome !== 'silent') || attempt >= ATTEMPTS[result.outcome]) {
      return result;
    }
    await clock.sleep(BUSY_PAUSE_MS, signal);
  }
}
