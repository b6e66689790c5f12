import type { Figure } from '../../hack/figures.ts';

/** One run of a benchmark, as it is kept in test/bench/results/. */
export interface BenchmarkRun {
  benchmark: string;
  /** ISO 8601. */
  date: string;
  /** Abbreviated; `-dirty` when there were changes beside it. */
  commit: string;
  machine: { cores: number; memoryGiB: number; kernel: string; architecture: string; cpu: string };
  figures: Figure[];
}
