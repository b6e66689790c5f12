import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { HOLD_GATE } from '../../../src/api/v1alpha1/labels.ts';
import {
  deployments,
  horizontalPodAutoscalers,
  pods,
  prefetchPolicies,
  type Pod,
} from '../../../src/kube/resources.ts';
import { toolPath } from '../../../hack/tools/locate.ts';
import { execute } from '../../../hack/tools/process.ts';
import { pushNoiseImage } from '../../support/noise-image.ts';
import { namespace, openWorld, OPERATOR_NAMESPACE, REGISTRY, until, type World } from './world.ts';

const CHART = fileURLToPath(new URL('../../../charts/slipstream', import.meta.url));
/** At this rate an image takes a minute to come to a seed, and one piece of it, which tells that it is cold, some seconds. */
const TRICKLE = 1024 * 1024;
const MEBIBYTES = 64;
const REPLICAS = 3;
const ASKED = 5;

let world: World;

before(async () => {
  world = await openWorld();
  await setHolding(true);
});

after(async () => {
  await world?.cluster.limitOrigin(undefined);
  await world?.client.close();
});

async function setHolding(enabled: boolean): Promise<void> {
  const where = ['--namespace', OPERATOR_NAMESPACE, '--wait', '--timeout', '3m'];
  const values = ['--reuse-values', '--set', `hold.enabled=${enabled}`];
  await execute(toolPath('helm'), ['upgrade', 'slipstream', CHART, ...where, ...values]);
}

async function scale(where: string, name: string, replicas: number): Promise<void> {
  await execute(toolPath('kubectl'), ['--namespace', where, 'scale', `deployment/${name}`, `--replicas=${replicas}`]);
}

/** A Deployment that is scaled out while its image is on its way to the seed peer, and slowly so; the new Pods. */
async function scaledOut(name: string, maxDuration: string): Promise<() => Promise<Pod[]>> {
  const image = `${REGISTRY}/held/${name}:1`;
  await world.cluster.limitOrigin(undefined);
  await pushNoiseImage(image, MEBIBYTES);
  const labels = { app: name };
  await world.client.create(deployments, {
    metadata: { namespace, name },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: 'main', image, command: ['/bin/sleep', '3600'] }],
        },
      },
    },
  });
  const list = async (): Promise<Pod[]> =>
    (await world.client.list(pods, { namespace, labelSelector: `app=${name}` })).items;
  await until(`the first Pod of ${name} runs`, async () => (await list())[0]?.status?.phase === 'Running');
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name };
  await world.client.create(horizontalPodAutoscalers, {
    metadata: { namespace, name },
    spec: { scaleTargetRef, minReplicas: 1, maxReplicas: 2 * REPLICAS },
  });
  await world.cluster.limitOrigin(TRICKLE);
  await world.client.create(prefetchPolicies, {
    metadata: { namespace, name },
    spec: {
      scaleTargetRef,
      triggers: { schedules: [{ cron: '* * * * *', lead: '5m' }] },
      warm: { timeout: '30m' },
      hold: { maxDuration },
    },
  });
  await until(`the image of ${name} is being warmed`, async () => {
    const { status } = await world.client.get(prefetchPolicies, { namespace, name });
    const holding = status?.conditions?.find(({ type }) => type === 'Holding');
    assert.equal(holding?.status, 'True', `${holding?.reason}: ${holding?.message}`);
    return status?.images?.[0]?.state === 'Warming';
  });
  const [first] = await list();
  assert.ok(first);
  // What is in the status the operator's replicas know a moment later.
  await until(`a new Pod of ${name} would wait`, () => wouldWait(first));
  await scale(namespace, name, 1 + REPLICAS);
  return async () => (await list()).filter(({ metadata }) => metadata.uid !== first.metadata.uid);
}

/** Whether a Pod like this one would get the gate, however often it is asked for. */
async function wouldWait({ metadata: { labels, ownerReferences }, spec }: Pod): Promise<boolean> {
  const metadata = { generateName: 'asked-', labels, ownerReferences };
  const containers = [{ name: 'main', image: spec?.containers[0]?.image }];
  const body = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } };
  for (let asked = 0; asked < ASKED; asked += 1) {
    const query = { dryRun: 'All' };
    const admitted = await world.client.raw('POST', `/api/v1/namespaces/${namespace}/pods`, { query, body });
    if (!admitted.includes(HOLD_GATE)) return false;
  }
  return true;
}

function waits({ spec, status }: Pod): boolean {
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return (
    spec?.schedulingGates?.some(({ name }) => name === HOLD_GATE) === true && scheduled?.reason === 'SchedulingGated'
  );
}

async function allWait(list: () => Promise<Pod[]>): Promise<void> {
  await until('every Pod waits at the gate', async () => {
    const items = await list();
    return items.length === REPLICAS && items.every(waits);
  });
}

async function allScheduled(list: () => Promise<Pod[]>): Promise<void> {
  await until('every Pod has a node', async () => {
    const items = await list();
    return items.length === REPLICAS && items.every(({ spec }) => spec?.nodeName !== undefined);
  });
}

test('the scheduler leaves held Pods alone until the seed peer has their image, and then they start', async () => {
  const list = await scaledOut('held', '5m');
  await allWait(list);
  await world.cluster.limitOrigin(undefined);
  await until('every Pod runs', async () => (await list()).every(({ status }) => status?.phase === 'Running'));
  const { status } = await world.client.get(prefetchPolicies, { namespace, name: 'held' });
  assert.equal(status?.images?.[0]?.state, 'Warm');
});

test('with every replica of the operator gone, the releaser lets Pods go after maxDuration', async () => {
  const list = await scaledOut('orphaned', '30s');
  await allWait(list);
  await scale(OPERATOR_NAMESPACE, 'slipstream', 0);
  try {
    await allScheduled(list);
  } finally {
    await scale(OPERATOR_NAMESPACE, 'slipstream', 2);
    await setHolding(true);
  }
});

test('turning holding off by helm upgrade lets every Pod go first', async () => {
  const list = await scaledOut('let-go', '5m');
  await allWait(list);
  await setHolding(false);
  await allScheduled(list);
});
