import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../../hack/cluster/cluster.ts';

const SAMPLE_MS = 250;
/** What the peak is a mean over. */
const PEAK_SAMPLES = 4;

/** What the registry's machine sent over a time. */
export interface OriginMeter {
  /** Bytes since the start, headers of all protocols included. */
  bytes(): Promise<number>;
  /** Ends the sampling; gives the most that was sent over one second. */
  stop(): Promise<number>;
}

/** Starts to count what the registry's machine sends. */
export async function meterOrigin(cluster: Pick<Cluster, 'originBytes'>): Promise<OriginMeter> {
  const start = await cluster.originBytes();
  const over = new AbortController();
  const samples: { at: number; bytes: number }[] = [];
  const sampling = (async () => {
    while (!over.signal.aborted) {
      samples.push({ at: performance.now(), bytes: await cluster.originBytes() });
      await sleep(SAMPLE_MS);
    }
  })();
  return {
    bytes: async () => (await cluster.originBytes()) - start,
    async stop() {
      over.abort();
      await sampling;
      const rates = samples.slice(PEAK_SAMPLES).map(({ at, bytes }, index) => {
        const earlier = samples[index] ?? { at, bytes };
        return ((bytes - earlier.bytes) * 1000) / (at - earlier.at);
      });
      return Math.max(0, ...rates);
    },
  };
}
