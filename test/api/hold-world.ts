import { Agent, createServer, request } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import type { PrefetchPolicy } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import { runReleaseCommand } from '../../src/controllers/hold/command.ts';
import { deployments, horizontalPodAutoscalers, pods, prefetchPolicies, type Pod } from '../../src/kube/resources.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { startSeedDouble, type SeedDouble } from '../doubles/seed-peer.ts';
import { freePorts } from '../envtest/ports.ts';
import { chartWebhook, register } from '../support/admission/configuration.ts';
import { loopbackCertificate } from '../support/loopback-certificate.ts';
import { startOperator, type RunningOperator } from '../support/operator.ts';
import { until } from '../support/until.ts';

export const TEAM = 'team-a';
const HASH = '5d4f';
const MERGE = 'application/merge-patch+json';

/** What has the warms of two seed peers wait. */
export interface Way {
  /** No blob comes to a seed. */
  shut(): void;
  /** Each blob comes to the seed that was asked for it first. */
  openFirst(): void;
  open(): void;
}

/** The operator and its releaser over a real API server, which calls the operator's webhook; no controller makes Pods. */
export interface HoldWorld extends AsyncDisposable {
  readonly operator: RunningOperator;
  readonly way: Way;
  /** Starts the releaser, as the chart's Deployment would, and waits until the operator takes it for alive. */
  startReleaser(): Promise<void>;
  /** A Deployment whose autoscaler rests, and a policy for it that holds for so long. */
  workload(name: string, maxDuration: string): Promise<void>;
  /** Has the autoscaler of a workload scale it out. */
  scaleOut(name: string): Promise<void>;
  policy(name: string): Promise<PrefetchPolicy>;
  /** Creates a Pod of a workload as its ReplicaSet would; returns it as it was admitted. */
  pod(name: string, spec?: object, dryRun?: boolean): Promise<Pod>;
  /** Names of the gates that a Pod has now. */
  gates(pod: Pod): Promise<string[]>;
}

export async function startHoldWorld(): Promise<HoldWorld> {
  const closing: (() => PromiseLike<unknown>)[] = [];
  const { way, seeds } = await startSeeds();
  const origin = await startFaultyRegistry();
  const operator = await startOperator({
    registries: [{ host: origin.host, plainHTTP: true }],
    providers: [{ name: 'default', type: 'seedPeers', endpoints: seeds.map(({ seed }) => seed.url) }],
    hold: { enabled: true },
  });
  const relay = await startRelay(operator.webhookPort);
  closing.push(relay.close);
  const { client } = operator;
  const shipped = await chartWebhook({ url: relay.url });
  // Another name than the operator's own configuration: it would write its own authority into that.
  await register(client, 'relayed', { ...shipped, failurePolicy: 'Fail' });
  await client.raw('POST', `/api/v1/namespaces/${TEAM}/serviceaccounts`, {
    body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } },
  });
  let number = 0;
  const create: HoldWorld['pod'] = async (name, spec = {}, dryRun = false) => {
    const body = {
      metadata: {
        name: `${name}-${HASH}-${(number += 1)}`,
        labels: { app: name, 'pod-template-hash': HASH },
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${name}-${HASH}`, uid: '1', controller: true },
        ],
      },
      spec: { containers: [{ name: 'web', image: imageOf(origin, name) }], ...spec },
    };
    const query = dryRun ? { dryRun: 'All' } : {};
    return JSON.parse(await client.raw('POST', `/api/v1/namespaces/${TEAM}/pods`, { body, query })) as Pod;
  };
  await until('the API server calls the webhook, which answers', async () => {
    await create('probe', {}, true);
    return relay.calls() > 0;
  });

  const world: HoldWorld = {
    operator,
    way,
    async startReleaser() {
      const stop = new AbortController();
      const [healthPort = 0] = await freePorts(1);
      const running = runReleaseCommand(
        {
          namespace: 'slipstream-system',
          lease: 'slipstream-release',
          identity: 'releaser',
          kubeconfig: operator.envtest.kubeconfig,
          healthPort,
          stop: false,
          userAgent: 'slipstream-test',
          log: pino({ level: 'silent' }),
        },
        stop.signal,
      );
      running.catch(() => undefined);
      closing.push(() => {
        stop.abort();
        return running;
      });
      await world.workload('releaser-probe', '1s');
      await until('the operator takes the releaser for alive', async () => {
        // A change of the policy has it looked at again.
        const ref = { namespace: TEAM, name: 'releaser-probe' };
        await client.patch(prefetchPolicies, ref, { spec: { limits: { cooldown: `${(number += 1)}s` } } }, MERGE);
        const { conditions = [] } = (await world.policy('releaser-probe')).status ?? {};
        return conditions.some(({ type, status }) => type === 'Holding' && status === 'True');
      });
    },
    async workload(name, maxDuration) {
      origin.addImage(`shop/${name}`, '1', { layers: [Buffer.from(`layer of ${name}`)] });
      const labels = { app: name };
      const containers = [{ name: 'web', image: imageOf(origin, name) }];
      await client.create(deployments, {
        metadata: { namespace: TEAM, name },
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
      });
      await client.create(horizontalPodAutoscalers, {
        metadata: { namespace: TEAM, name },
        spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, minReplicas: 1, maxReplicas: 9 },
      });
      await setReplicas(operator, name, 1, 1);
      await client.create(prefetchPolicies, {
        metadata: { namespace: TEAM, name },
        spec: { horizontalPodAutoscalerRef: { name }, hold: { maxDuration } },
      });
      await until(`the policy ${name} was looked at`, async () => {
        const { status } = await world.policy(name);
        return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;
      });
    },
    scaleOut: (name) => setReplicas(operator, name, 1, 3),
    policy: (name) => client.get(prefetchPolicies, { namespace: TEAM, name }),
    pod: create,
    async gates({ metadata: { name } }) {
      const { spec } = await client.get(pods, { namespace: TEAM, name });
      return (spec?.schedulingGates ?? []).map((gate) => gate.name);
    },
    async [Symbol.asyncDispose]() {
      way.open();
      for (const close of closing.toReversed()) {
        await close();
      }
      await operator[Symbol.asyncDispose]();
      await Promise.all([origin.close(), ...seeds.map((seed) => seed[Symbol.asyncDispose]())]);
    },
  };
  return world;
}

function imageOf({ host }: FaultyRegistry, name: string): string {
  return `${host}/shop/${name}:1`;
}

async function setReplicas(
  { client }: RunningOperator,
  name: string,
  currentReplicas: number,
  desiredReplicas: number,
): Promise<void> {
  const status = { currentReplicas, desiredReplicas, conditions: [] };
  await client.patch(horizontalPodAutoscalers, { namespace: TEAM, name }, { status }, MERGE, {
    subresource: 'status',
  });
}

async function startSeeds(): Promise<{ way: Way; seeds: readonly SeedDouble[] }> {
  /** Blob → the seed that was asked for it first. */
  const claims = new Map<string, string>();
  let first = Promise.withResolvers<void>();
  let all = Promise.withResolvers<void>();
  const way: Way = {
    shut() {
      claims.clear();
      first = Promise.withResolvers();
      all = Promise.withResolvers();
    },
    openFirst: () => first.resolve(),
    open() {
      first.resolve();
      all.resolve();
    },
  };
  way.open();
  const start = (name: string): Promise<SeedDouble> =>
    startSeedDouble({
      name,
      async fault({ prefetch, origin, hex }) {
        if (prefetch && origin !== undefined) {
          const claim = claims.get(hex) ?? name;
          claims.set(hex, claim);
          await (claim === name ? first : all).promise;
        }
        return undefined;
      },
    });
  return { way, seeds: [await start('seed-0'), await start('seed-1')] };
}

/** Hands calls on to the operator's webhook, whose certificate is for the Service that there is not here. */
async function startRelay(port: number): Promise<{ url: string; calls: () => number; close: () => Promise<unknown> }> {
  const agent = new Agent({ keepAlive: true });
  let calls = 0;
  const server = createServer(loopbackCertificate, (incoming, outgoing) => {
    const { method, headers, url: path } = incoming;
    const options = { host: '127.0.0.1', port, path, method, headers, rejectUnauthorized: false, agent };
    const call = request(options, (answer) => {
      calls += 1;
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    call.on('error', () => outgoing.destroy());
    incoming.pipe(call);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/mutate-pods`,
    calls: () => calls,
    close() {
      agent.destroy();
      server.closeAllConnections();
      return once(server.close(), 'close');
    },
  };
}
