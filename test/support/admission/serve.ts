import { pino } from 'pino';
import type { AcceleratedImage } from '../../../src/api/v1alpha1/acceleratedimage.ts';
import { listWatch, type KubeClient } from '../../../src/kube/client.ts';
import {
  acceleratedImages,
  namespaces,
  nodes,
  runtimeClasses,
  type Namespace,
  type Node,
  type Resource,
  type RuntimeClass,
} from '../../../src/kube/resources.ts';
import type { RewriteConfig } from '../../../src/rewriting/config.ts';
import { fillIndex } from '../../../src/rewriting/fill.ts';
import { RewriteIndex } from '../../../src/rewriting/index.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { Informer } from '../../../src/runtime/informer.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { createReviewer } from '../../../src/webhook/mutate.ts';
import { createWebhookServer, type WebhookServer } from '../../../src/webhook/server.ts';
import { loopbackCertificate } from '../loopback-certificate.ts';
import { CONFIG } from '../rewriting.ts';

const log = pino({ level: 'silent' });

/** One call of the webhook by the API server. */
export interface Call {
  operation: string;
  namespace: string;
  /** Empty where the API server has yet to generate it. */
  name: string;
  /** Of the decision, as the counter has it. */
  reason: string;
  patched: boolean;
}

/** What fills the index. */
export interface Informers {
  images: Informer<AcceleratedImage>;
  nodes: Informer<Node>;
  namespaces: Informer<Namespace>;
  runtimeClasses: Informer<RuntimeClass>;
}

/** Makes them as the operator does. */
export function createInformers(client: KubeClient): Informers {
  function informer<T extends KubeObject>(resource: Resource<T>): Informer<T> {
    return new Informer({
      name: resource.plural,
      listWatch: listWatch(client, resource),
      clock: systemClock,
      log,
    });
  }
  return {
    images: informer(acceleratedImages),
    nodes: informer(nodes),
    namespaces: informer(namespaces),
    runtimeClasses: informer(runtimeClasses),
  };
}

/** The webhook of an operator that runs. */
export interface RunningWebhook {
  server: WebhookServer;
  calls: Call[];
  /** Answers as an operator of another configuration while `body` runs. */
  configured: (config: RewriteConfig, body: () => Promise<void>) => Promise<void>;
  ended: Promise<void>;
}

/** Serves the webhook on 127.0.0.1 until the signal, over what the informers watch. */
export async function startWebhook(informers: Informers, signal: AbortSignal): Promise<RunningWebhook> {
  const calls: Call[] = [];
  let reason = '';
  const reviewerOf = (config: RewriteConfig): ReturnType<typeof createReviewer> => {
    const index = new RewriteIndex(config);
    fillIndex(index, informers);
    const metrics = { observe: (_outcome: string, why: string) => void (reason = why) };
    return createReviewer({ index, clock: systemClock, metrics, log, notify: () => undefined });
  };
  const usual = reviewerOf(CONFIG);
  let review = usual;
  const server = createWebhookServer({
    review(body) {
      const { operation, namespace, name = '' } = (JSON.parse(body) as { request: Call }).request;
      const answer = review(body);
      calls.push({ operation, namespace, name, reason, patched: answer?.response.patch !== undefined });
      return answer;
    },
    clock: systemClock,
    log,
    host: '127.0.0.1',
    port: 0,
    drainMs: 0,
    farewellMs: 0,
  });
  server.setCertificate(loopbackCertificate);
  const ended = server.run(signal);
  await server.ready(signal);
  return {
    server,
    calls,
    ended,
    async configured(config, body) {
      review = reviewerOf(config);
      try {
        await body();
      } finally {
        review = usual;
      }
    },
  };
}
