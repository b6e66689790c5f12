import type { Config } from '../config.ts';
import { loadKubeClient, type KubeClient } from '../kube/client.ts';
import { decide } from '../rewriting/decide.ts';
import { nodePlatforms } from '../rewriting/platforms.ts';
import type { Clock } from '../runtime/clock.ts';
import { gatherFacts, type Facts } from './facts.ts';
import { createReader } from './reader.ts';
import type { WarmFlags } from './warm-options.ts';
import type { WarmSubject } from './warm-text.ts';

/** What the `warm` command asks a cluster: nothing before it is needed, and every thing once. */
export interface Cluster extends AsyncDisposable {
  /** Throws where no cluster can be found. */
  readonly client: () => KubeClient;
  /** What new Pods run that name an image. */
  resolve(image: string, flags: WarmFlags): Promise<WarmSubject>;
  /** What to warm: the platforms that were named, those of the nodes, or that of this machine where no cluster is known. */
  platforms(flags: WarmFlags): Promise<readonly string[]>;
}

type ClusterOptions = WarmFlags & {
  readonly userAgent: string;
  readonly ownPlatform: string;
  readonly clock: Pick<Clock, 'now'>;
};

/** The cluster of a kubeconfig, or of the ServiceAccount of the Pod. It is known where a flag has to do with one. */
export function openCluster(options: ClusterOptions, config: Config, signal: AbortSignal): Cluster {
  const { config: file, namespace, context, kubeconfig, userAgent } = options;
  const isKnown = [file, namespace, context, kubeconfig].some((flag) => flag !== undefined);
  let opened: KubeClient | undefined;
  let gathered: Promise<Facts> | undefined;

  function client(): KubeClient {
    opened ??= loadKubeClient({ kubeconfig, context, userAgent });
    return opened;
  }

  function facts(): Promise<Facts> {
    const operator = { namespace: options.operatorNamespace, name: options.operatorName };
    const known = file === undefined ? undefined : config;
    gathered ??= gatherFacts(createReader(client(), signal), operator, [namespace ?? client().namespace], known);
    return gathered;
  }

  return {
    client,
    async resolve(image, { asIs }) {
      if (asIs || !isKnown) {
        return { named: image, image };
      }
      const { index } = await facts();
      const template = { spec: { containers: [{ name: 'image', image }] } };
      const decision = decide(template, namespace ?? client().namespace, index, options.clock.now());
      const [rewrite] = decision.rewrites;
      return rewrite === undefined
        ? { named: image, image, ...(decision.named ? { left: `${decision.reason}: ${decision.message}` } : {}) }
        : { named: image, image: rewrite.image, acceleratedImage: rewrite.acceleratedImage };
    },
    async platforms({ platform }) {
      if (platform.length > 0) {
        return platform;
      }
      const found = isKnown ? nodePlatforms((await facts()).nodes) : [];
      return found.length > 0 ? found : [options.ownPlatform];
    },
    async [Symbol.asyncDispose]() {
      await opened?.close();
    },
  };
}
