import type { Reference } from '../registry/reference.ts';
import { CANDIDATE_CHECKS } from './candidate-checks.ts';
import { referenceOf, type Artifact, type Candidate } from './candidates.ts';
import { firstFinding, type PodInput } from './check.ts';
import type { ContainerFacts, PodFacts } from './pod.ts';
import { SkipReason, type Finding } from './reasons.ts';

/** What an AcceleratedImage says about one container. */
export interface Verdict {
  readonly container: ContainerFacts;
  /** What it has against a rewrite, if anything. */
  readonly finding: Finding | undefined;
  readonly candidate: Candidate;
  readonly artifact: Artifact | undefined;
  readonly otherRegistry: boolean;
}

/** What the AcceleratedImages say about the containers of a Pod. */
export interface Verdicts {
  /** Of the containers whose image one of them names. */
  readonly verdicts: readonly Verdict[];
  /** The containers that run an artifact already, which is never rewritten again. */
  readonly artifacts: ReadonlyMap<ContainerFacts, Candidate>;
}

export function judge(containers: readonly ContainerFacts[], input: PodInput, now: Date): Verdicts {
  const verdicts: Verdict[] = [];
  const artifacts = new Map<ContainerFacts, Candidate>();
  for (const container of containers) {
    const reference = referenceOf(container.image);
    if (reference === undefined) {
      continue;
    }
    const made = input.index.lookupArtifact(reference, input.namespace);
    if (made !== undefined) {
      artifacts.set(container, made);
      continue;
    }
    const verdict = verdictOn(container, reference, input, now);
    if (verdict !== undefined) {
      verdicts.push(verdict);
    }
  }
  return { verdicts, artifacts };
}

/** The verdict of the first that has nothing against a rewrite, else of the first; undefined where none names the image. */
function verdictOn(container: ContainerFacts, reference: Reference, input: PodInput, now: Date): Verdict | undefined {
  const verdicts = input.index.lookup(reference, input.namespace).map((candidate): Verdict => {
    const { artifact } = candidate;
    const finding = container.pulledNever
      ? { reason: SkipReason.ImagePullPolicyNever, message: `container ${container.name} has imagePullPolicy Never` }
      : firstFinding(CANDIDATE_CHECKS, { ...input, reference, candidate, now });
    return { container, finding, candidate, artifact, otherRegistry: artifact?.registry !== reference.registry };
  });
  return verdicts.find(({ finding }) => finding === undefined) ?? verdicts[0];
}

/**
 * What the artifacts of a Pod were before: as the Pod has recorded it, else as the AcceleratedImage says. An image that an
 * AcceleratedImage names is an original, whatever an annotation, maybe copied from another Pod, says.
 */
export function earlierOf(
  pod: PodFacts,
  verdicts: readonly Verdict[],
  artifacts: ReadonlyMap<ContainerFacts, Candidate>,
): ReadonlyMap<string, string> {
  const named = new Set(verdicts.map(({ container }) => container.name));
  const known = [...artifacts].map(([{ name }, { source }]) => [name, source] as const);
  return new Map([...known, ...pod.originals].filter(([name]) => !named.has(name)));
}
