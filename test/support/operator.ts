import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { Config } from '../../src/config.ts';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { namespaces, nodes } from '../../src/kube/resources.ts';
import { runOperator } from '../../src/operator.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';
import { freePorts } from '../envtest/ports.ts';

/** CRD files, as they are committed. */
export const CRDS = ['acceleratedimages', 'prefetchpolicies', 'rewritetables'].map((plural) =>
  fileURLToPath(new URL(`../../crds/slipstream.dev_${plural}.yaml`, import.meta.url)),
);
const OPERATOR_NAMESPACE = 'slipstream-system';

/** The whole operator in this process, against a real API server that has one linux/amd64 node and no kubelet. */
export interface RunningOperator extends AsyncDisposable {
  client: KubeClient;
  envtest: Envtest;
  /** Where the webhook listens on 127.0.0.1, once it has its certificate. */
  webhookPort: number;
  /** Where it serves health and metrics on 127.0.0.1. */
  healthPort: number;
  /** Where it takes notifications on 127.0.0.1, if that is enabled. */
  notificationsPort: number;
  /** Starts another replica beside it, which leads once this one does not; it ends with it at the latest. */
  join(identity: string): Promise<Replica>;
  /** Tells the operator to end; its controllers end at once, its webhook serves on for a while. */
  stop(): void;
  /** Lines that it has logged, to look at when a test fails. */
  lines: string[];
}

/** A replica of the operator in this process. */
export interface Replica extends Pick<
  RunningOperator,
  'webhookPort' | 'healthPort' | 'notificationsPort' | 'lines' | 'stop'
> {
  /** Settles when it has ended. */
  ended: Promise<void>;
}

/** Starts etcd, kube-apiserver and the operator with this configuration; `team-a` is a namespace to work in. */
export async function startOperator(settings: Partial<Record<keyof Config, unknown>>): Promise<RunningOperator> {
  const envtest = await startEnvtest({ crds: CRDS });
  const client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'slipstream-test' });
  for (const name of [OPERATOR_NAMESPACE, 'team-a']) {
    await client.create(namespaces, { metadata: { name } });
  }
  await client.create(nodes, { metadata: { name: 'node-1' } });
  const nodeInfo = { operatingSystem: 'linux', architecture: 'amd64' };
  const status = { status: { nodeInfo } };
  await client.patch(nodes, { name: 'node-1' }, status, 'application/merge-patch+json', { subresource: 'status' });
  const first = await startReplica(envtest, 'test', settings);
  const replicas = [first];
  return {
    client,
    envtest,
    ...first,
    async join(identity) {
      const replica = await startReplica(envtest, identity, settings);
      replicas.push(replica);
      return replica;
    },
    async [Symbol.asyncDispose]() {
      for (const { stop } of replicas) {
        stop();
      }
      try {
        await Promise.all(replicas.map(({ ended }) => ended));
      } finally {
        await client.close();
        await envtest.stop();
      }
    },
  };
}

async function startReplica(
  envtest: Envtest,
  identity: string,
  settings: Partial<Record<keyof Config, unknown>>,
): Promise<Replica> {
  const [webhookPort = 0, healthPort = 0, notificationsPort = 0] = await freePorts(3);
  const stop = new AbortController();
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString('utf8'));
      done();
    },
  });
  const running = runOperator(
    {
      config: Config.parse({ conversion: { image: 'slipstream:test' }, ...settings }),
      namespace: OPERATOR_NAMESPACE,
      identity,
      kubeconfig: envtest.kubeconfig,
      webhookPort,
      healthPort,
      notificationsPort,
      service: 'slipstream',
      webhookConfiguration: 'slipstream',
      certificateSecret: 'slipstream-webhook',
      userAgent: 'slipstream-test',
      log: pino({ level: 'info' }, sink),
    },
    stop.signal,
  );
  // Its failure is reported when the test ends; until then the test's own waiting fails.
  running.catch(() => undefined);
  return { webhookPort, healthPort, notificationsPort, lines, stop: () => stop.abort(), ended: running };
}
