import type { Reference } from '../registry/reference.ts';
import type { Candidate } from './candidates.ts';
import type { RewriteConfig } from './config.ts';
import type { RewriteIndex } from './index.ts';
import type { Landing } from './nodes.ts';
import type { PodFacts } from './pod.ts';
import type { Finding } from './reasons.ts';

/** What a check of a Pod looks at. */
export interface PodInput {
  readonly pod: PodFacts;
  readonly namespace: string;
  readonly index: RewriteIndex;
  /** Asked for once and only where it matters. */
  readonly landing: () => Landing;
}

/** What a check of one container looks at. */
export interface CandidateInput extends PodInput {
  readonly reference: Reference;
  readonly candidate: Candidate;
  readonly now: Date;
}

/** One check: what it has against a rewrite, if anything. */
export type Check<Input> = (input: Input) => Finding | undefined;

/** The first finding of an ordered list of checks. */
export function firstFinding<Input>(checks: readonly Check<Input>[], input: Input): Finding | undefined {
  for (const check of checks) {
    const finding = check(input);
    if (finding !== undefined) {
      return finding;
    }
  }
  return undefined;
}

/** Whether rewritten Pods get a RuntimeClass; otherwise Nydus is every node's default snapshotter. */
export function usesRuntimeClass(config: RewriteConfig): boolean {
  return config.runtimeClassName !== '';
}

/** `namespace/name` of an AcceleratedImage. */
export function nameOf({ namespace, name }: Candidate): string {
  return `${namespace}/${name}`;
}
