import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { KubeError } from '../../../src/kube/errors.ts';
import { deployments, mutatingWebhookConfigurations, pods, secrets } from '../../../src/kube/resources.ts';
import { issueServing, SERVING_LIFE_MS } from '../../../src/webhook/certificates/authority.ts';
import {
  caBundleOf,
  decodeContents,
  encodeContents,
  type SecretContents,
} from '../../../src/webhook/certificates/contents.ts';
import { PROPAGATION_MS, renew } from '../../../src/webhook/certificates/policy.ts';
import { toolPath } from '../../../hack/tools/locate.ts';
import { execute } from '../../../hack/tools/process.ts';
import { openLoop } from '../../support/open-loop.ts';
import { accelerate, BUSYBOX_IMAGE, isRewritten, openWorld, OPERATOR_NAMESPACE, until, type World } from './world.ts';

const CREATES_PER_SECOND = 100;
const CREATED_AFTERWARDS = 300;
/** More than any of the changes takes. */
const LONGEST_SECONDS = 240;
const DEPLOYMENT = { namespace: OPERATOR_NAMESPACE, name: 'slipstream' };
const SELECTOR = 'app.kubernetes.io/name=slipstream';
const SECRET = { namespace: OPERATOR_NAMESPACE, name: 'slipstream-webhook' };
const DNS_NAMES = ['svc', 'svc.cluster.local'].map((suffix) => `slipstream.${OPERATOR_NAMESPACE}.${suffix}`);

let world: World;

before(async () => {
  world = await openWorld();
  await accelerate(world, 'available', BUSYBOX_IMAGE);
});

after(() => world?.client.close());

/** How many times the API server went on without an answer of the webhook; since it started. */
async function failOpenCount(): Promise<number> {
  const metrics = await world.client.raw('GET', '/metrics');
  const lines = metrics.matchAll(/^apiserver_admission_webhook_fail_open_count\{.*\} (\S+)$/gm);
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Creates Pods all the while that `change` goes on, and some more; returns what became of them. */
async function underLoad(change: () => Promise<void>): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  const end = new AbortController();
  const load = openLoop(
    CREATES_PER_SECOND,
    LONGEST_SECONDS,
    async () => {
      const outcome = await isRewritten(world).then(
        (rewritten) => (rewritten ? 'rewritten' : 'as it was'),
        (error: unknown) =>
          error instanceof KubeError ? `refused: ${error.message}` : `unreachable: ${String(error)}`,
      );
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    },
    end.signal,
  );
  const created = (): number => Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  try {
    await change();
    const enough = created() + CREATED_AFTERWARDS;
    await until('some more are created', async () => created() >= enough);
  } finally {
    end.abort();
    await load;
  }
  return outcomes;
}

/** No Pod was refused, and none was admitted without the webhook, while `change` went on. */
async function assertUnnoticed(change: () => Promise<void>): Promise<void> {
  const before = await failOpenCount();
  const outcomes = await underLoad(change);
  assert.deepEqual(Object.keys(outcomes), ['rewritten'], JSON.stringify(outcomes));
  assert.equal((await failOpenCount()) - before, 0);
}

async function kubectl(...args: string[]): Promise<void> {
  await execute(toolPath('kubectl'), args);
}

async function rolledOut(): Promise<void> {
  await until('every replica is ready', async () => {
    const { spec, status } = await world.client.get(deployments, DEPLOYMENT);
    return status?.readyReplicas === spec?.replicas && status?.replicas === spec?.replicas;
  });
}

async function contents(): Promise<SecretContents> {
  return decodeContents(await world.client.get(secrets, SECRET));
}

/** Puts other certificates into the operator's Secret: those that it will find due for renewal. */
async function store(next: SecretContents): Promise<void> {
  const secret = await world.client.get(secrets, SECRET);
  await world.client.update(secrets, { ...secret, data: { ...secret.data, ...encodeContents(next) } });
}

test('a rolling restart goes unnoticed by those who create Pods', async () => {
  await assertUnnoticed(async () => {
    await kubectl('--namespace', OPERATOR_NAMESPACE, 'rollout', 'restart', 'deployment/slipstream');
    await kubectl('--namespace', OPERATOR_NAMESPACE, 'rollout', 'status', 'deployment/slipstream', '--timeout=180s');
    // The old Pods serve on for a while after they were told to end.
    await rolledOut();
  });
});

test('so does the drain of a node that a replica runs on', async () => {
  const { items } = await world.client.list(pods, { namespace: OPERATOR_NAMESPACE, labelSelector: SELECTOR });
  const node = items[0]?.spec?.nodeName;
  assert.ok(node);
  try {
    await assertUnnoticed(async () => {
      await kubectl(
        'drain',
        node,
        '--ignore-daemonsets',
        '--delete-emptydir-data',
        '--force',
        `--pod-selector=${SELECTOR}`,
        '--timeout=180s',
      );
      await rolledOut();
    });
  } finally {
    await kubectl('uncordon', node);
  }
});

test('so does the renewal of the serving certificate', async () => {
  await assertUnnoticed(async () => {
    const now = await contents();
    const old = new Date(Date.now() - SERVING_LIFE_MS * 0.7);
    const [authority = ''] = now.bundle;
    const due = await issueServing({ cert: authority, key: now.authorityKey }, DNS_NAMES, old);
    await store({ ...now, ...due });
    await until('the leader has issued another', async () => ![now.cert, due.cert].includes((await contents()).cert));
  });
});

test('so does a change of the authority: API servers trust both until the new one signs', async () => {
  await assertUnnoticed(async () => {
    const before = await contents();
    // As old as it is a few seconds before it may sign.
    const madeAt = new Date(Date.now() - PROPAGATION_MS + 5000);
    const rotated = await renew('rotate-ca', before, DNS_NAMES, madeAt);
    await store(rotated);
    await until('the caBundle holds both', async () => {
      const { webhooks } = await world.client.get(mutatingWebhookConfigurations, { name: 'slipstream' });
      return webhooks?.[0]?.clientConfig.caBundle === caBundleOf(rotated);
    });
    await until('the new authority has signed', async () => (await contents()).cert !== before.cert);
    assert.equal((await contents()).bundle.length, before.bundle.length + 1);
  });
});

test('after a restart of the API server Pods are rewritten as before, and none is let through unseen', async () => {
  const outcomes = await underLoad(async () => {
    await world.cluster.control('kube-apiserver', 'stop');
    await world.cluster.control('kube-apiserver', 'start');
    await until('the API server is ready', async () => (await world.client.raw('GET', '/readyz')) === 'ok');
  });
  // It cannot be reached for a while, and says so itself; that is not ours to mend.
  assert.equal(outcomes['as it was'] ?? 0, 0, JSON.stringify(outcomes));
  await assertUnnoticed(rolledOut);
  assert.equal(await failOpenCount(), 0);
});
