import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { pino } from 'pino';
import { runReleaseCommand } from '../../src/controllers/hold/command.ts';
import { releasePod } from '../../src/controllers/hold/release.ts';
import { sweep } from '../../src/controllers/hold/sweep.ts';
import { type KubeClient, loadKubeClient } from '../../src/kube/client.ts';
import { isForbidden, KubeError } from '../../src/kube/errors.ts';
import { leases, pods, secrets, type Pod } from '../../src/kube/resources.ts';
import { type Envtest, startEnvtest } from '../envtest/envtest.ts';
import { freePorts } from '../envtest/ports.ts';
import { until } from '../support/until.ts';
import { CHART, helm, NAMESPACE, RELEASE, VALUES } from './chart.ts';

const TEAM = 'team-a';
const LEASE = { namespace: NAMESPACE, name: 'slipstream-release' };
const OURS = { name: 'slipstream.dev/hold' };
const THEIRS = { name: 'example.com/quota' };
const signal = AbortSignal.timeout(300_000);

let envtest: Envtest;
let admin: KubeClient;
let number = 0;

before(async () => {
  envtest = await startEnvtest();
  admin = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'hold-rights-test' });
  for (const name of [NAMESPACE, TEAM]) {
    await admin.raw('POST', '/api/v1/namespaces', { body: { metadata: { name } } });
  }
  await admin.raw('POST', `/api/v1/namespaces/${TEAM}/serviceaccounts`, { body: { metadata: { name: 'default' } } });
  // Nobody serves the webhook here.
  await release('install', RELEASE, CHART, '--values', VALUES.hold, '--set', 'networkPolicy.enabled=false');
});
after(async () => {
  await admin?.close();
  await envtest?.stop();
});

function release(...args: string[]): Promise<string> {
  return helm(...args, '--namespace', NAMESPACE, '--kubeconfig', envtest.kubeconfig);
}

async function as(account: string): Promise<KubeClient> {
  const kubeconfig = await envtest.kubeconfigFor(`system:serviceaccount:${NAMESPACE}:${account}`);
  return loadKubeClient({ kubeconfig, userAgent: 'hold-rights-test' });
}

async function create(spec: object = {}, labels: object = { 'slipstream.dev/hold': '5m' }): Promise<Pod> {
  const body = {
    metadata: { name: `web-${(number += 1)}`, labels: { app: 'web', ...labels }, annotations: { kept: 'true' } },
    spec: {
      schedulingGates: [THEIRS, OURS],
      initContainers: [{ name: 'init', image: 'registry.test/init:1' }],
      containers: [{ name: 'web', image: 'registry.test/web:1' }],
      ...spec,
    },
  };
  return JSON.parse(await admin.raw('POST', `/api/v1/namespaces/${TEAM}/pods`, { body })) as Pod;
}

async function current({ metadata: { name } }: Pod): Promise<Pod> {
  return await admin.get(pods, { namespace: TEAM, name });
}

function strategic({ metadata: { name } }: Pod, patch: object): Parameters<typeof admin.patch<Pod>> {
  return [pods, { namespace: TEAM, name }, patch, 'application/strategic-merge-patch+json'];
}

function isRefused(error: unknown): boolean {
  assert.ok(error instanceof KubeError, String(error));
  assert.match(error.message, /Slipstream may (take|change)/);
  return true;
}

const TAKEN = { schedulingGates: [{ $patch: 'delete', ...OURS }] };
/** Those that the API server gives to every Pod: they cannot go. */
const TOLERATIONS = ['not-ready', 'unreachable'].map((state) => ({
  key: `node.kubernetes.io/${state}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 300,
}));

/** What else the API server would let them change, while they take the gate. */
const CHANGES: Record<string, { spec?: object; metadata?: object }> = {
  'the image of a container': { spec: { containers: [{ name: 'web', image: 'registry.test/evil:1' }] } },
  'the image of an init container': { spec: { initContainers: [{ name: 'init', image: 'registry.test/evil:1' }] } },
  'the gates of others': { spec: { schedulingGates: [...TAKEN.schedulingGates, { $patch: 'delete', ...THEIRS }] } },
  'what it tolerates': { spec: { tolerations: [...TOLERATIONS, { operator: 'Exists' }] } },
  'where it may run': { spec: { nodeSelector: { pool: 'evil' } } },
  'how long it may run': { spec: { activeDeadlineSeconds: 1 } },
  'its labels': { metadata: { labels: { app: 'evil' } } },
  'its annotations': { metadata: { annotations: { kept: null } } },
  'its finalizers': { metadata: { finalizers: ['example.com/x'] } },
};

for (const account of ['slipstream', 'slipstream-release']) {
  describe(`the ServiceAccount ${account}`, () => {
    let client: KubeClient;
    before(async () => {
      client = await as(account);
      const probe = await create();
      await until('the admission policy is in force', async () => {
        const patch = { metadata: { labels: { probe: 'true' } } };
        await assert.rejects(change(probe, patch), isRefused);
        return true;
      });
    });
    after(() => client?.close());

    const change = (pod: Pod, patch: object): Promise<Pod> => client.patch(...strategic(pod, patch));

    test('may take the gate from a Pod, and the gate of others stays', async () => {
      const pod = await create();
      assert.equal(await releasePod(client, pod, signal), true);
      const { spec, metadata } = await current(pod);
      assert.deepEqual(spec?.schedulingGates, [THEIRS]);
      assert.deepEqual(metadata.labels, { app: 'web' });
      assert.equal(await releasePod(client, pod, signal), false, 'it was taken already');
    });

    for (const [what, patch] of Object.entries(CHANGES)) {
      test(`may not change ${what}`, async () => {
        const whole = { ...patch, spec: { ...TAKEN, ...patch.spec } };
        await assert.rejects(change(await create(), whole), isRefused);
        assert.equal((await admin.patch(...strategic(await create(), whole))).kind, 'Pod', 'others may');
      });
    }

    test('may neither make nor delete Pods', async () => {
      const { metadata } = await create();
      await assert.rejects(client.delete(pods, { namespace: TEAM, name: metadata.name }), isForbidden);
      await assert.rejects(client.create(pods, { metadata: { namespace: TEAM, name: 'x' } }), isForbidden);
    });
  });
}

test('these rights are enough for the releaser, which finds also the Pods without a label', async () => {
  const client = await as('slipstream-release');
  await assert.rejects(client.list(secrets, { namespace: NAMESPACE }), isForbidden);
  await client.close();
  const due = await create({ schedulingGates: [OURS] }, { 'slipstream.dev/hold': '1s' });
  const stray = await create({ schedulingGates: [THEIRS, OURS] }, {});
  const lines: string[] = [];
  const stop = new AbortController();
  const [healthPort = 0] = await freePorts(1);
  const running = runReleaseCommand(
    {
      namespace: NAMESPACE,
      lease: LEASE.name,
      identity: 'test',
      kubeconfig: await envtest.kubeconfigFor(`system:serviceaccount:${NAMESPACE}:slipstream-release`),
      healthPort,
      stop: false,
      userAgent: 'hold-rights-test',
      log: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }),
    },
    stop.signal,
  );
  await until('both Pods are let go', async () => {
    assert.deepEqual((await current(due)).spec?.schedulingGates, undefined);
    assert.deepEqual((await current(stray)).spec?.schedulingGates, [THEIRS]);
    return true;
  });
  await until('it shows that it is alive', async () => {
    const { spec } = await admin.get(leases, LEASE);
    return spec?.holderIdentity === 'test' && (await fetch(`http://127.0.0.1:${healthPort}/readyz`)).ok;
  });
  stop.abort();
  await running;
  assert.doesNotMatch(lines.join(''), /forbidden/i);
  const left = (await admin.list(pods, { namespace: TEAM, labelSelector: 'slipstream.dev/hold' })).items;
  assert.ok(
    left.some(({ spec }) => spec?.schedulingGates?.length === 2),
    'those whose time is not up still wait',
  );
});

test('turning it off lets every Pod go, from whichever page it is on', async () => {
  const client = await as('slipstream-release');
  const waiting = (await admin.list(pods, { namespace: TEAM })).items.filter(({ spec }) =>
    spec?.schedulingGates?.some(({ name }) => name === OURS.name),
  );
  assert.equal(await sweep(client, () => true, signal), waiting.length);
  assert.equal(await sweep(client, () => true, signal), 0);
  await client.close();
});

test('an upgrade that turns holding off lets every Pod go first, and one of who never had it has nothing to do', async () => {
  const upgrade = ['upgrade', RELEASE, CHART, '--values', VALUES.small, '--dry-run=server'];
  assert.match(await release(...upgrade), /helm\.sh\/hook: pre-upgrade/);
  await release('upgrade', RELEASE, CHART, '--values', VALUES.small, '--no-hooks');
  assert.doesNotMatch(await release(...upgrade), /helm\.sh\/hook: pre-upgrade/);
});
