import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { daemonSets, deployments, pods, replicaSets, type Pod } from '../../src/kube/resources.ts';
import { startWorkloadControllers } from '../envtest/controller-manager.ts';
import { startAdmission, TEAM, type AdmissionCluster } from '../support/admission/cluster.ts';
import { ARTIFACT_DIGEST, plainNode } from '../support/rewriting.ts';
import { until } from '../support/until.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;

let cluster: AdmissionCluster;
let controllers: AsyncDisposable;

before(async () => {
  cluster = await startAdmission();
  await cluster.addImage('web', SOURCE);
  await cluster.addImage('next', 'registry.test/web:2');
  await cluster.addNode(plainNode('p1', { metadata: { labels: { pool: 'plain' } } }));
  controllers = await startWorkloadControllers(cluster.envtest);
});
after(async () => {
  await controllers?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

function template(app: string, image = SOURCE, spec: object = {}): object {
  return { metadata: { labels: { app } }, spec: { containers: [{ name: 'web', image }], ...spec } };
}

/** Creates a workload of the API server's path, such as `apps/v1`. */
async function create(
  apiVersion: string,
  plural: string,
  kind: string,
  name: string,
  spec: object,
  namespace = TEAM,
): Promise<void> {
  const root = apiVersion === 'v1' ? '/api' : '/apis';
  const body = { apiVersion, kind, metadata: { name }, spec };
  await cluster.client.raw('POST', `${root}/${apiVersion}/namespaces/${namespace}/${plural}`, { body });
}

/** The Pods of an app, once its controller has made so many. */
async function podsOf(app: string, count = 1, namespace = TEAM): Promise<Pod[]> {
  let items: Pod[] = [];
  await until(`the controller has made ${count} Pods of ${app}`, async () => {
    ({ items } = await cluster.client.list(pods, { namespace, labelSelector: `app=${app}` }));
    return items.length >= count;
  });
  return items;
}

function imageOf({ spec }: Pod): string | undefined {
  return spec?.containers[0]?.image;
}

function ownerOf({ metadata }: Pod): string | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)?.kind;
}

describe('the Pods that the controllers of Kubernetes make run the artifact:', () => {
  const never = { restartPolicy: 'Never' };
  const cases: [owner: string, make: (app: string) => Promise<void>][] = [
    [
      'ReplicaSet',
      (app) =>
        create('apps/v1', 'replicasets', 'ReplicaSet', app, {
          replicas: 1,
          selector: { matchLabels: { app } },
          template: template(app),
        }),
    ],
    [
      'StatefulSet',
      (app) =>
        create('apps/v1', 'statefulsets', 'StatefulSet', app, {
          replicas: 1,
          serviceName: app,
          selector: { matchLabels: { app } },
          template: template(app),
        }),
    ],
    [
      'ReplicationController',
      (app) =>
        create('v1', 'replicationcontrollers', 'ReplicationController', app, {
          replicas: 1,
          selector: { app },
          template: template(app),
        }),
    ],
    ['Job', (app) => create('batch/v1', 'jobs', 'Job', app, { template: template(app, SOURCE, never) })],
  ];
  for (const [owner, make] of cases) {
    test(owner, async () => {
      const app = `of-${owner.toLowerCase()}`;
      await make(app);
      const [pod] = await podsOf(app);
      assert.ok(pod);
      assert.equal(ownerOf(pod), owner);
      assert.equal(imageOf(pod), ARTIFACT);
    });
  }

  test('CronJob, by the Jobs that it makes', async () => {
    await create('batch/v1', 'cronjobs', 'CronJob', 'of-cronjob', {
      schedule: '* * * * *',
      jobTemplate: { spec: { template: template('of-cronjob', SOURCE, never) } },
    });
    // It missed a run five minutes ago, so that it does not wait for the next minute.
    const status = { lastScheduleTime: new Date(Date.now() - 300_000).toISOString() };
    const path = `/apis/batch/v1/namespaces/${TEAM}/cronjobs/of-cronjob/status`;
    const contentType = 'application/merge-patch+json';
    await cluster.client.raw('PATCH', path, { body: { status }, contentType });
    const [pod] = await podsOf('of-cronjob');
    assert.ok(pod);
    assert.equal(ownerOf(pod), 'Job');
    assert.equal(imageOf(pod), ARTIFACT);
  });
});

test('the Pods of a DaemonSet, each pinned to its node, run the artifact where the node can run it', async () => {
  const app = 'of-daemonset';
  await create('apps/v1', 'daemonsets', 'DaemonSet', app, {
    selector: { matchLabels: { app } },
    template: template(app),
  });
  const made = await podsOf(app, 2);
  const byNode = made.map((pod) => {
    const terms =
      pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
    return [
      terms[0]?.matchFields?.[0]?.values?.[0],
      imageOf(pod),
      pod.metadata.annotations?.['slipstream.dev/rewrite'],
    ];
  });
  assert.deepEqual(
    new Map(byNode.map(([node, ...rest]) => [node, rest])),
    new Map([
      ['n1', [ARTIFACT, 'rewritten']],
      ['p1', [SOURCE, 'skipped: NoCapableNode']],
    ]),
  );
  await until('the DaemonSet controller has nothing left to do', async () => {
    const { status } = await cluster.client.get(daemonSets, { namespace: TEAM, name: app });
    return status?.currentNumberScheduled === 2 && status.numberMisscheduled === 0;
  });
  const now = await podsOf(app, 2);
  assert.deepEqual(new Set(now.map(({ metadata }) => metadata.uid)), new Set(made.map(({ metadata }) => metadata.uid)));
});

describe('a Deployment', () => {
  const app = 'of-deployment';
  const UNTOUCHED = 'opted-out';

  before(async () => {
    await cluster.addNamespace(UNTOUCHED, { 'slipstream.dev/rewrite': 'disabled' });
    const spec = { replicas: 2, selector: { matchLabels: { app } }, template: template(app) };
    for (const namespace of [TEAM, UNTOUCHED]) {
      await create('apps/v1', 'deployments', 'Deployment', app, spec, namespace);
      await podsOf(app, 2, namespace);
    }
  });

  test('makes Pods of the artifact', async () => {
    assert.deepEqual((await podsOf(app)).map(imageOf), [ARTIFACT, ARTIFACT]);
  });

  test('and its ReplicaSet stay byte for byte as they were written, so nothing drifts for Argo CD or Flux', async () => {
    assert.equal(await written(TEAM, 1), await written(UNTOUCHED, 1));
  });

  test('rolls out a new version in the same way', async () => {
    for (const namespace of [TEAM, UNTOUCHED]) {
      const changed = { spec: { template: template(app, 'registry.test/web:2') } };
      const ref = { namespace, name: app };
      await cluster.client.patch(deployments, ref, changed, 'application/strategic-merge-patch+json');
      await podsOf(app, 3, namespace);
    }
    assert.ok((await podsOf(app)).map(imageOf).includes(`registry.test/web:2-nydus@${ARTIFACT_DIGEST}`));
    assert.equal(await written(TEAM, 2), await written(UNTOUCHED, 2));
  });

  /** The specs of the Deployment and its ReplicaSets, with the annotations of their templates. */
  async function written(namespace: string, generation: number): Promise<string> {
    const deployment = await cluster.client.get(deployments, { namespace, name: app });
    assert.equal(deployment.metadata.generation, generation);
    const { items } = await cluster.client.list(replicaSets, { namespace, labelSelector: `app=${app}` });
    assert.equal(items.length, generation);
    const byName = items.toSorted((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));
    return JSON.stringify([deployment.spec, ...byName.map(({ spec }) => ({ ...spec, replicas: undefined }))]);
  }
});
