import { pullableFor, pullSecretFor, referenceOf, type Candidate, type Pullable } from './candidates.ts';
import { firstFinding, type CandidateInput, type Check, type PodInput } from './check.ts';
import type { ContainerFacts, PodFacts } from './pod.ts';
import { SkipReason, type Finding } from './reasons.ts';

/** What an AcceleratedImage says about one container. */
export interface Verdict {
  readonly container: ContainerFacts;
  /** What it has against a rewrite, if anything. */
  readonly finding: Finding | undefined;
  readonly candidate: Candidate;
  /** What it gives the Pod: its artifact, or the copy of the Pod's region. */
  readonly artifact: Pullable | undefined;
  /** Secret that the Pod needs to pull that, where it is in another registry. */
  readonly pullSecret: string | undefined;
  /** Milliseconds since the epoch after which what the tag names has to be confirmed again; infinite for a digest. */
  readonly goodUntil: number;
}

/** What the AcceleratedImages say about the containers of a Pod. */
export interface Verdicts {
  /** Of the containers whose image one of them names. */
  readonly verdicts: readonly Verdict[];
  /** The containers that run an artifact already, which is never rewritten again. */
  readonly artifacts: ReadonlyMap<ContainerFacts, Candidate>;
}

/** @param checks what is asked of each AcceleratedImage that names an image, in this order */
export function judge(
  containers: readonly ContainerFacts[],
  input: PodInput,
  checks: readonly Check<CandidateInput>[],
  now: Date,
): Verdicts {
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
    const verdict = verdictOn(container, checks, { ...input, reference, now });
    if (verdict !== undefined) {
      verdicts.push(verdict);
    }
  }
  return { verdicts, artifacts };
}

/** The verdict of the first that has nothing against a rewrite, else of the first; undefined where none names the image. */
function verdictOn(
  container: ContainerFacts,
  checks: readonly Check<CandidateInput>[],
  input: Omit<CandidateInput, 'candidate'>,
): Verdict | undefined {
  const { index, namespace, reference } = input;
  const verdicts = index.lookup(reference, namespace).map((candidate): Verdict => {
    const artifact = pullableFor(candidate, input.landing);
    const finding = container.pulledNever
      ? { reason: SkipReason.ImagePullPolicyNever, message: `container ${container.name} has imagePullPolicy Never` }
      : firstFinding(checks, { ...input, candidate });
    const goodUntil = reference.digest === undefined ? candidate.staleAfter : Infinity;
    const pullSecret = pullSecretFor(artifact, reference);
    return { container, finding, candidate, artifact, pullSecret, goodUntil };
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
