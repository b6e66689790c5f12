import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import type { PrefetchPolicy, PrefetchPolicyStatus } from '../../api/v1alpha1/prefetchpolicy.ts';
import type { HpaFacts } from '../../autoscaling/metrics.ts';
import type { History } from '../../autoscaling/history.ts';
import type { Config } from '../../config.ts';
import type { Provider } from '../../dragonfly/provider.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { EventRecorder } from '../../kube/events.ts';
import type { HorizontalPodAutoscaler, Node } from '../../kube/resources.ts';
import type { Prometheus } from '../../prometheus/client.ts';
import type { RegistryClient } from '../../registry/client.ts';
import type { RewriteIndex } from '../../rewriting/index.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Key } from '../../runtime/object.ts';
import type { ReadStore } from '../../runtime/store.ts';
import type { StatusWriter } from '../status-writer.ts';
import type { HoldProblem } from './hold.ts';
import type { PrefetchMetrics } from './metrics.ts';
import type { TargetImages } from './target.ts';

export interface PrefetchPolicyDependencies {
  client: KubeClient;
  registry: RegistryClient;
  config: Config;
  operatorNamespace: string;
  clock: Clock;
  policies: ReadStore<PrefetchPolicy>;
  autoscalers: ReadStore<HorizontalPodAutoscaler>;
  images: ReadStore<AcceleratedImage>;
  nodes: ReadStore<Node>;
  /** Recent metrics of each autoscaler, recorded as its status changes. */
  histories: ReadonlyMap<Key, History>;
  /** An autoscaler with the newest metrics that are known of it. */
  latest: (hpa: HorizontalPodAutoscaler) => HpaFacts;
  /** Policies that an artifact may concern which came since their last pass. */
  newArtifacts: Set<Key>;
  index: RewriteIndex;
  providers: ReadonlyMap<string, Provider>;
  /** What forecasts are asked of; undefined where the operator's configuration names none. */
  prometheus: Prometheus | undefined;
  status: StatusWriter<PrefetchPolicy, PrefetchPolicyStatus>;
  events: EventRecorder;
  metrics: PrefetchMetrics;
  /** Why no Pod can be held now; undefined when they can. */
  holdProblem: () => HoldProblem | undefined;
}

/** One pass over one policy: what it is about, and the status being drafted. */
export interface Pass {
  readonly policy: PrefetchPolicy;
  readonly draft: PrefetchPolicyStatus;
  readonly hpa: HorizontalPodAutoscaler;
  /** What the next Pods of the target run; read at most once a pass, when it is first asked for. */
  readonly target: () => Promise<TargetImages>;
  readonly signal: AbortSignal;
}
