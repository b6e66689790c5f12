import { referenceOf, type Artifact, type Candidate } from './candidates.ts';
import { CANDIDATE_CHECKS } from './candidate-checks.ts';
import { firstFinding, nameOf, usesRuntimeClass, type Check, type PodInput } from './check.ts';
import type { RewriteIndex, RuntimeClassFacts } from './index.ts';
import type { Landing } from './nodes.ts';
import { PLACEMENT_CHECKS, RUNNING_PLACEMENT_CHECKS } from './placement-checks.ts';
import { POD_CHECKS, RUNNING_POD_CHECKS } from './pod-checks.ts';
import { readPod, type ContainerFacts, type PodFacts } from './pod.ts';
import { SkipReason, type Finding } from './reasons.ts';

/** One container to rewrite. */
export interface Rewrite {
  readonly container: ContainerFacts;
  /** `repository:tag@sha256:…`. */
  readonly image: string;
  /** `namespace/name` of the AcceleratedImage. */
  readonly acceleratedImage: string;
  /** Milliseconds since the epoch after which what the tag names has to be confirmed again; infinite for a digest. */
  readonly goodUntil: number;
}

/** One container that an AcceleratedImage names and that is left as it was. */
export interface Skip extends Finding {
  readonly container: ContainerFacts;
}

/** What becomes of a Pod. */
export interface Decision {
  readonly pod: PodFacts;
  readonly reason: 'Rewritten' | SkipReason;
  /** The same for a person. */
  readonly message: string;
  /** Containers to rewrite; none unless the reason is Rewritten. */
  readonly rewrites: readonly Rewrite[];
  readonly skips: readonly Skip[];
  /** Container name → reference before an earlier rewrite of the same Pod, for the containers that it holds for. */
  readonly earlier: ReadonlyMap<string, string>;
  /** Whether an AcceleratedImage names an image of the Pod, so that the Pod is told the outcome. */
  readonly named: boolean;
  /** Class to set on the Pod; undefined where none is to be set. */
  readonly runtimeClass: RuntimeClassFacts | undefined;
  /** Secrets of the Pod's namespace that pull artifacts from a registry which the originals did not come from. */
  readonly pullSecrets: readonly string[];
}

/** What an AcceleratedImage says about one container. */
interface Verdict {
  readonly container: ContainerFacts;
  readonly finding: Finding | undefined;
  readonly candidate: Candidate;
  readonly artifact: Artifact | undefined;
  readonly otherRegistry: boolean;
  readonly goodUntil: number;
}

/**
 * What becomes of a new Pod, or of the Pods of a template. Pure and total: it reads nothing but its arguments and never
 * throws, whatever comes in for the Pod.
 *
 * A RuntimeClass holds for a whole Pod, so its checks do too. Of a Pod whose images are only partly accelerated, those that
 * can be are rewritten: the others are pulled into the Nydus snapshotter, which keeps ordinary layers as overlayfs does.
 * (Where the node has such an image in overlayfs already, containerd unpacks it again from its content store, as it does
 * with the pause image of every Nydus Pod; `discard_unpacked_layers` must be off for either.)
 *
 * @param pod a v1.Pod or v1.PodTemplateSpec
 * @param namespace where the Pod is to be: a request's word counts, the object may leave it out
 */
export function decide(pod: unknown, namespace: string, index: RewriteIndex, now: Date): Decision {
  const facts = readPod(pod);
  const containers = facts.containers.filter(({ list }) => list !== 'ephemeralContainers');
  const stages: Stages = { before: POD_CHECKS, after: PLACEMENT_CHECKS, runtimeClass: index.runtimeClass };
  return decideAbout(containers, inputOf(facts, namespace, index), stages, now);
}

/**
 * What would become of a Pod of which somebody else makes the checks of the Pod itself (its opt-out, its owner, its pull
 * policies): whether its images can be rewritten, and whether it may land where they run.
 * @param namespace empty for any namespace without an AcceleratedImage of its own
 */
export function decidePlacement(pod: unknown, namespace: string, index: RewriteIndex, now: Date): Decision {
  const facts = readPod(pod);
  const stages: Stages = { before: [], after: PLACEMENT_CHECKS, runtimeClass: index.runtimeClass };
  return decideAbout(facts.containers, inputOf(facts, namespace, index), stages, now);
}

/**
 * What becomes of the ephemeral containers that an update of `pods/ephemeralcontainers` adds. Nothing else of a running Pod
 * can change, so they are rewritten only where its RuntimeClass is ours already and its node is capable.
 */
export function decideEphemeral(
  pod: unknown,
  oldPod: unknown,
  namespace: string,
  index: RewriteIndex,
  now: Date,
): Decision {
  const facts = readPod(pod);
  const before = new Set(readPod(oldPod).containers.map(({ name }) => name));
  const added = facts.containers.filter(({ list, name }) => list === 'ephemeralContainers' && !before.has(name));
  const settled: PodFacts = {
    ...facts,
    // The scheduler has decided already; only the node counts.
    constraints: {
      nodeName: facts.constraints.nodeName ?? '',
      nodeSelector: [],
      terms: undefined,
      tolerations: [{ key: '', operator: 'Exists', value: '', effect: '' }],
      os: undefined,
    },
  };
  const stages: Stages = { before: RUNNING_POD_CHECKS, after: RUNNING_PLACEMENT_CHECKS, runtimeClass: undefined };
  return { ...decideAbout(added, inputOf(settled, namespace, index), stages, now), pullSecrets: [] };
}

interface Stages {
  readonly before: readonly Check<PodInput>[];
  readonly after: readonly Check<PodInput>[];
  readonly runtimeClass: RuntimeClassFacts | undefined;
}

function inputOf(pod: PodFacts, namespace: string, index: RewriteIndex): PodInput {
  let landing: Landing | undefined;
  return { pod, namespace, index, landing: () => (landing ??= index.landing(pod.constraints)) };
}

function decideAbout(containers: readonly ContainerFacts[], input: PodInput, stages: Stages, now: Date): Decision {
  const refused = firstFinding(stages.before, input);
  const verdicts = containers.flatMap((container) => judge(container, input, now) ?? []);
  if (refused !== undefined) {
    return skipped(input.pod, refused, verdicts);
  }
  if (verdicts.length === 0) {
    return skipped(input.pod, nothingNamed(input.pod), verdicts);
  }
  const usable = verdicts.filter(({ finding }) => finding === undefined);
  const objection = usable.length === 0 ? verdicts[0]?.finding : firstFinding(stages.after, input);
  if (objection !== undefined) {
    return skipped(input.pod, objection, verdicts);
  }
  const rewrites = usable.flatMap(({ container, candidate, artifact, goodUntil }) =>
    artifact === undefined ? [] : { container, image: artifact.image, acceleratedImage: nameOf(candidate), goodUntil },
  );
  return {
    pod: input.pod,
    reason: 'Rewritten',
    message: rewrites.map(({ container, image }) => `${container.name}: ${container.image} → ${image}`).join('; '),
    rewrites,
    skips: skipsOf(verdicts),
    earlier: earlierOf(input.pod, verdicts),
    named: true,
    runtimeClass: usesRuntimeClass(input.index.config) ? stages.runtimeClass : undefined,
    pullSecrets: pullSecretsOf(usable, input.namespace),
  };
}

/** What the AcceleratedImages say about a container; undefined where none names its image. */
function judge(container: ContainerFacts, input: PodInput, now: Date): Verdict | undefined {
  const reference = referenceOf(container.image);
  if (reference === undefined) {
    return undefined;
  }
  const verdicts = input.index.lookup(reference, input.namespace).map((candidate): Verdict => {
    const { artifact } = candidate;
    const finding = container.pulledNever
      ? { reason: SkipReason.ImagePullPolicyNever, message: `container ${container.name} has imagePullPolicy Never` }
      : firstFinding(CANDIDATE_CHECKS, { ...input, reference, candidate, now });
    const otherRegistry = artifact?.registry !== reference.registry;
    const goodUntil = reference.digest === undefined ? candidate.staleAfter : Infinity;
    return { container, finding, candidate, artifact, otherRegistry, goodUntil };
  });
  return verdicts.find(({ finding }) => finding === undefined) ?? verdicts[0];
}

function nothingNamed(pod: PodFacts): Finding {
  return pod.originals.size > 0
    ? { reason: SkipReason.AlreadyRewritten, message: 'its images were rewritten before' }
    : { reason: SkipReason.NoAcceleratedImage, message: 'no AcceleratedImage in reach names one of its images' };
}

function skipped(pod: PodFacts, finding: Finding, verdicts: readonly Verdict[]): Decision {
  const { reason, message } = finding;
  return {
    pod,
    reason,
    message,
    rewrites: [],
    skips: skipsOf(verdicts),
    earlier: earlierOf(pod, verdicts),
    named: verdicts.length > 0,
    runtimeClass: undefined,
    pullSecrets: [],
  };
}

function skipsOf(verdicts: readonly Verdict[]): readonly Skip[] {
  return verdicts.flatMap(({ container, finding }) => (finding === undefined ? [] : { ...finding, container }));
}

/** An image that an AcceleratedImage names is an original, whatever an annotation, maybe copied from another Pod, says. */
function earlierOf(pod: PodFacts, verdicts: readonly Verdict[]): ReadonlyMap<string, string> {
  const named = new Set(verdicts.map(({ container }) => container.name));
  return new Map([...pod.originals].filter(([name]) => !named.has(name)));
}

/** Only of objects in the Pod's own namespace: a Secret cannot be used from another. */
function pullSecretsOf(verdicts: readonly Verdict[], namespace: string): readonly string[] {
  const secrets = verdicts
    .filter(({ candidate, otherRegistry }) => otherRegistry && candidate.namespace === namespace)
    .flatMap(({ candidate }) => candidate.pullSecret ?? []);
  return [...new Set(secrets)];
}
