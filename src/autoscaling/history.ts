import { samplesOf } from './metrics.ts';
import type { HpaFacts } from './metrics.ts';

/** What an autoscaler saw at one moment. */
export interface Sample {
  /** When it was seen, in milliseconds since the epoch. */
  readonly at: number;
  readonly currentReplicas: number;
  /** Ratio of current value to target, by metric. */
  readonly ratios: ReadonlyMap<string, number>;
}

/** Samples kept by default: twenty minutes of an autoscaler that looks every 15 s. */
const CAPACITY = 80;

/** The recent past of one autoscaler, bounded: the oldest sample makes room for the newest. */
export class History {
  readonly #capacity: number;
  readonly #samples: Sample[] = [];

  constructor(capacity: number = CAPACITY) {
    this.#capacity = capacity;
  }

  /**
   * Adds a sample. One of the moment of the last is ignored: a list that is read again brings nothing new. One from before
   * it means that the clock was set back: what lies ahead of it now is forgotten, or it would hide all that comes.
   */
  add(sample: Sample): void {
    while ((this.#samples.at(-1)?.at ?? -Infinity) > sample.at) {
      this.#samples.pop();
    }
    if (this.#samples.at(-1)?.at === sample.at) {
      return;
    }
    this.#samples.push(sample);
    if (this.#samples.length > this.#capacity) {
      this.#samples.shift();
    }
  }

  /** The samples, oldest first. */
  samples(): readonly Sample[] {
    return [...this.#samples];
  }
}

/** What an autoscaler's status says, seen at `at`. */
export function sampleOf(hpa: HpaFacts, at: Date): Sample {
  return {
    at: at.getTime(),
    currentReplicas: hpa.status?.currentReplicas ?? 0,
    ratios: new Map(samplesOf(hpa).map(({ metric, ratio }) => [metric, ratio])),
  };
}
