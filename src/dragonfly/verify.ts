import pLimit from 'p-limit';
import { sampleOffsets } from './pieces.ts';
import { TASK_ID_REMEDY, probe, taskIDOf } from './probe.ts';
import type { ProbeOptions, ProbeResult } from './probe.ts';
import type { Blob, BlobReason, BlobState, Seed, WarmImage } from './provider.ts';

/** Requests that one verification sends to one seed at once: dfdaemon answers one in a millisecond or two. */
const CONCURRENCY = 4;
/** A seed that limits its requests refills once a second. */
const BUSY_PAUSE_MS = 1000;
const BUSY_ATTEMPTS = 5;
/** Pairs of seed and blob that are remembered as once warm. */
const MEMORY = 50_000;

/** What was warm, and where; bounded, the oldest goes first. */
export interface WarmMemory {
  add(seed: Seed, blob: Blob): void;
  has(seed: Seed, blob: Blob): boolean;
}

/** Makes an empty {@link WarmMemory}. */
export function createWarmMemory(): WarmMemory {
  const pairs = new Set<string>();
  const key = (seed: Seed, blob: Blob): string => `${seed.name} ${blob.digest}`;
  return {
    add(seed, blob) {
      pairs.delete(key(seed, blob));
      pairs.add(key(seed, blob));
      const [oldest] = pairs;
      if (pairs.size > MEMORY && oldest !== undefined) {
        pairs.delete(oldest);
      }
    },
    has: (seed, blob) => pairs.has(key(seed, blob)),
  };
}

/**
 * Reads every blob of an image back from every seed.
 *
 * A byte of each piece is asked for in `local` mode, in which a seed can only serve from its own store: what comes back whole
 * is warm, at no cost to the origin. For a blob that is not, one byte is asked for as a puller would, which costs the origin
 * one piece at most, to say why.
 * @throws the signal's reason
 */
export async function verifyImage(
  image: WarmImage,
  seeds: readonly Seed[],
  memory: WarmMemory,
  options: ProbeOptions,
): Promise<BlobState[]> {
  const states = await Promise.all(seeds.map((seed) => verifySeed(image, seed, memory, options)));
  return states.flat();
}

async function verifySeed(
  image: WarmImage,
  seed: Seed,
  memory: WarmMemory,
  options: ProbeOptions,
): Promise<BlobState[]> {
  const limit = pLimit(CONCURRENCY);
  let down: BlobState | undefined;
  return await Promise.all(
    image.blobs.map((blob) =>
      limit(async () => {
        // One refused connection speaks for the whole seed: the rest need not wait for theirs.
        const state =
          down === undefined
            ? await verifyBlob({ seed, blob, authorization: image.authorization }, memory, options)
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
  const offsets = sampleOffsets(blob.size);
  for (const [i, offset] of offsets.entries()) {
    const result = await patiently(() => probe({ seed, blob, offset, mode: 'local' }, options), options);
    if (result.outcome === 'served' && result.taskID === taskIDOf(blob)) {
      continue;
    }
    if (result.outcome === 'missing') {
      return await explainMissing(subject, `piece ${i + 1} of ${offsets.length}`, memory, options);
    }
    return stateOf(subject, result, '', memory);
  }
  memory.add(seed, blob);
  return { digest: blob.digest, seed: seed.name, warm: true };
}

/** Asks as a puller would. This also clears the failure that the `local` request left on the seed's task. */
async function explainMissing(
  subject: Subject,
  missing: string,
  memory: WarmMemory,
  options: ProbeOptions,
): Promise<BlobState> {
  const result = await patiently(() => probe({ ...subject, offset: 0, mode: 'fetch' }, options), options);
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
      return memory.has(seed, blob)
        ? say('Evicted', `${seed.name} had all of ${blob.digest} and has not any more: ${missing} is missing`)
        : say('Cold', `${seed.name} does not have all of ${blob.digest}: ${missing} is missing`);
    case 'originRejected':
      return say('OriginRejected', `${seed.name} cannot get ${blob.digest}: ${result.message}`);
    case 'unreachable':
      return say('SeedUnreachable', `${seed.name} at ${seed.url} cannot be reached: ${result.message}`);
    case 'refused':
      return say('SeedUnreachable', `${seed.name} at ${seed.url} ${result.message}`);
    case 'busy':
      // The seed is there and does not have the blob; what keeps it from getting it now is the message.
      return missing === ''
        ? say('SeedUnreachable', `${seed.name} at ${seed.url} does not answer: ${result.message}`)
        : say('Cold', `${seed.name} does not have all of ${blob.digest}, and cannot get it now: ${result.message}`);
    case 'missing':
      return say('Cold', `${seed.name} does not have all of ${blob.digest}`);
  }
}

/** Asks again while the seed limits its requests or stumbles, a few times. */
async function patiently(ask: () => Promise<ProbeResult>, { clock, signal }: ProbeOptions): Promise<ProbeResult> {
  for (let attempt = 1; ; attempt++) {
    const result = await ask();
    if (result.outcome !== 'busy' || attempt === BUSY_ATTEMPTS) {
      return result;
    }
    await clock.sleep(BUSY_PAUSE_MS, signal);
  }
}
