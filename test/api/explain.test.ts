import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { load } from 'js-yaml';
import { pino } from 'pino';
import { Agent, request } from 'undici';
import { toolPath } from '../../hack/tools/locate.ts';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { EventRecorder } from '../../src/kube/events.ts';
import {
  acceleratedImages,
  configMaps,
  events,
  namespaces,
  nodes,
  replicaSets,
  runtimeClasses,
  type Event,
  type Pod,
  type ReplicaSet,
} from '../../src/kube/resources.ts';
import { RewriteIndex } from '../../src/rewriting/index.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createReviewer } from '../../src/webhook/mutate.ts';
import { ADMISSION, ADMISSION_BUDGET, createNotifier } from '../../src/webhook/notify.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';
import { MAIN, run, type Ran } from '../support/cli.ts';
import { CRDS, startOperator } from '../support/operator.ts';
import { ARTIFACT_DIGEST, capableNode, CONFIG, owner, readyImage, runtimeClass, webPod } from '../support/rewriting.ts';
import { until } from '../support/until.ts';
import { startWebhook, type TestWebhook } from '../support/webhook.ts';
import { objects, only, template, VALUES } from './chart.ts';

const TEAM = 'team-a';
const WEB = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;
/** Its AcceleratedImage was last resolved an hour ago. */
const STALE = 'registry.test/stale:1';
const HOUR_MS = 3_600_000;
const STATUS = ['application/merge-patch+json', { subresource: 'status' }] as const;
const DOCS = new URL('../../docs/explain.md', import.meta.url);

/** A rule of a Role. */
interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}

const log = pino({ level: 'silent' });

describe('slipstream explain on a real API server', () => {
  let envtest: Envtest;
  let client: KubeClient;
  let webhook: TestWebhook;
  let recorder: EventRecorder;
  let directory: string;
  const index = new RewriteIndex(CONFIG);

  before(async () => {
    envtest = await startEnvtest({ crds: CRDS });
    client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'explain-test' });
    directory = await mkdtemp(join(tmpdir(), 'slipstream-explain-'));
    await fillCluster();
    recorder = new EventRecorder({
      client,
      clock: systemClock,
      log,
      instance: 'slipstream-0',
      reporter: ADMISSION,
      budget: ADMISSION_BUDGET,
    });
    const metrics = { observe: () => undefined };
    const notify = createNotifier(recorder);
    webhook = await startWebhook(client, createReviewer({ index, clock: systemClock, metrics, log, notify }));
    await until('the API server calls the webhook', async () => {
      const { spec } = await create('probe', WEB, { query: { dryRun: 'All' } });
      return spec?.containers[0]?.image === ARTIFACT;
    });
    await create('web', WEB);
    await create('stale', STALE);
    await create('other', 'registry.test/other:1');
  });

  after(async () => {
    await recorder?.flush();
    await webhook?.stop();
    await client?.close();
    await envtest?.stop();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  /** One capable node, what the chart makes, and two AcceleratedImages. The webhook's index has seen them. */
  async function fillCluster(): Promise<void> {
    for (const name of [TEAM, CONFIG.operatorNamespace]) {
      index.upsertNamespace(await client.create(namespaces, { metadata: { name } }));
    }
    const configuration = only(objects(await template(VALUES.small)), 'ConfigMap');
    await client.create(configMaps, configuration);
    index.upsertRuntimeClass(await client.create(runtimeClasses, runtimeClass()));
    const { metadata, status } = capableNode('node-1');
    await client.create(nodes, { metadata: { name: metadata.name, labels: metadata.labels } });
    await client.patch(nodes, { name: metadata.name }, { status }, ...STATUS);
    // The API server taints a new node; elsewhere a controller takes that off when the node is Ready.
    const untainted = { spec: { taints: null } };
    index.upsertNode(await client.patch(nodes, { name: metadata.name }, untainted, 'application/merge-patch+json'));
    await accelerate('web', WEB, new Date());
    await accelerate('stale', STALE, new Date(Date.now() - HOUR_MS));
  }

  async function accelerate(name: string, image: string, resolvedAt: Date): Promise<void> {
    const ref = { name, namespace: TEAM };
    await client.create(acceleratedImages, { metadata: ref, spec: { source: { image } } });
    const { status } = readyImage(name, image, { status: { source: { resolvedAt: resolvedAt.toISOString() } } });
    index.upsertImage(await client.patch(acceleratedImages, ref, { status }, ...STATUS));
  }

  /** Creates a Pod through the webhook. */
  async function create(
    name: string,
    image: string,
    { query = {}, owners = [] }: { query?: Record<string, string>; owners?: object[] } = {},
  ): Promise<Pod> {
    const body = { metadata: { name, ownerReferences: owners }, spec: { containers: [{ name: 'web', image }] } };
    return JSON.parse(await client.raw('POST', `/api/v1/namespaces/${TEAM}/pods`, { body, query })) as Pod;
  }

  /** Runs the command as a user, the admin unless said. */
  function explain(args: readonly string[], { kubeconfig = envtest.kubeconfig, stdin = '' } = {}): Promise<Ran> {
    return run(process.execPath, [MAIN, 'explain', ...args], { env: { KUBECONFIG: kubeconfig }, stdin });
  }

  /** A user with these rules in every namespace; returns the kubeconfig. */
  async function userWith(name: string, rules: readonly Rule[]): Promise<string> {
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const apiGroup = 'rbac.authorization.k8s.io';
    await client.raw('POST', `${rbac}/clusterroles`, { body: { metadata: { name }, rules } });
    const roleRef = { apiGroup, kind: 'ClusterRole', name };
    const subjects = [{ apiGroup, kind: 'User', name }];
    await client.raw('POST', `${rbac}/clusterrolebindings`, { body: { metadata: { name }, roleRef, subjects } });
    return envtest.kubeconfigFor(name);
  }

  /** The rules of the ClusterRole in the documentation. */
  async function documentedRules(): Promise<readonly Rule[]> {
    const [, yaml = ''] = /```yaml\n([\s\S]*?kind: ClusterRole\n[\s\S]*?)```/.exec(await readFile(DOCS, 'utf8')) ?? [];
    return (load(yaml) as { rules: Rule[] }).rules;
  }

  test('a Pod that was rewritten: what it runs in place of what, and by which AcceleratedImage', async () => {
    const { code, stdout, stderr } = await explain(['pod/web', '--namespace', TEAM]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^Pod team-a\/web\n {2}at admission {2}rewritten, \d+s ago\n/);
    assert.match(stdout, /\n {2}now {11}a new Pod like it would be rewritten\n/);
    assert.match(
      stdout,
      /\n {4}image {9}registry\.test\/web:1\n {4}runs {10}registry\.test\/web:1-nydus@sha256:a{64}\n/,
    );
    assert.match(stdout, /\n {4}named by {6}AcceleratedImage team-a\/web\n {18}Ready for .*; resolved \d+s ago/);
    assert.match(stdout, /\n {4}rewritten {5}to what it runs\n$/);
    assert.doesNotMatch(stdout, /left|remedy|not known/);
  });

  test('a Pod that was left as it was: why, how old what is known is, and what would have to change', async () => {
    const { code, stdout } = await explain(['pod/stale', '-n', TEAM]);
    assert.equal(code, 0);
    assert.match(stdout, /at admission {2}left as it was: TagStale, \d+s ago/);
    assert.match(stdout, /now {11}a new Pod like it would be left as it is: TagStale\n/);
    assert.match(stdout, /resolved 6\dm ago \(interval 5m\)/);
    assert.match(
      stdout,
      /\n {4}left {10}TagStale: AcceleratedImage team-a\/stale did not confirm .*\n {4}remedy {8}See /,
    );
  });

  test('a Pod that no AcceleratedImage names has nothing noted on it', async () => {
    const { stdout } = await explain(['pod/other', '-n', TEAM]);
    assert.match(stdout, /at admission {2}nothing noted, /);
    assert.match(stdout, /left {10}NoAcceleratedImage: .*\n {4}remedy {8}Create an AcceleratedImage/);
  });

  test('a Deployment that is not created yet, from standard input, as JSON', async () => {
    const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: ${TEAM}}
spec:
  template:
    spec:
      initContainers: [{name: wait, image: 'registry.test/other:1'}]
      containers: [{name: shop, image: '${WEB}'}]
---
apiVersion: v1
kind: Service
metadata: {name: shop}
---
apiVersion: apps.kruise.io/v1alpha1
kind: CloneSet
metadata: {name: shop}
`;
    const { code, stdout, stderr } = await explain(['-f', '-', '-o', 'json'], { stdin: manifest });
    assert.deepEqual([code, stderr], [0, '']);
    const { items } = JSON.parse(stdout) as { items: { containers: object[] }[] };
    assert.equal(items.length, 1);
    const { containers, ...deployment } = items[0] ?? { containers: [] };
    assert.deepEqual(deployment, {
      kind: 'Deployment',
      namespace: TEAM,
      name: 'shop',
      outcome: 'Rewritten',
      reason: 'Rewritten',
      message: `shop: ${WEB} → ${ARTIFACT}`,
      unknown: [],
      notes: [],
    });
    assert.deepEqual(
      containers.map((container) => ({ ...container, state: undefined })),
      [
        {
          name: 'wait',
          kind: 'init',
          image: 'registry.test/other:1',
          skips: [
            {
              reason: 'NoAcceleratedImage',
              message: 'no AcceleratedImage in reach names its image',
              remedy:
                "Create an AcceleratedImage whose spec.source.image is this very image, in the Pod's namespace or, for " +
                "every namespace, in the operator's.",
            },
          ],
          state: undefined,
        },
        {
          name: 'shop',
          kind: 'main',
          image: WEB,
          acceleratedImage: 'team-a/web',
          artifact: ARTIFACT,
          skips: [],
          state: undefined,
        },
      ],
    );
  });

  test('a manifest in a file, of a namespace that does not exist yet', async () => {
    const file = join(directory, 'pod.yaml');
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web' },
      spec: { containers: [{ name: 'web', image: WEB }] },
    };
    await writeFile(file, JSON.stringify(pod));
    const { code, stdout } = await explain(['-f', file, '-n', 'team-new']);
    assert.equal(code, 0);
    assert.match(stdout, /^Pod team-new\/web\n {2}now {11}it will be left as it is: NoAcceleratedImage\n/);
    assert.match(stdout, /The Namespace team-new does not exist yet/);
  });

  test('a namespace that the API server does not ask about', async () => {
    const pod = `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: kube-system}, spec: {containers: [{name: web, image: '${WEB}'}]}}`;
    const made = {
      metadata: { name: 'everywhere', namespace: CONFIG.operatorNamespace },
      spec: { source: { image: WEB } },
    };
    await client.create(acceleratedImages, made);
    try {
      const { stdout } = await explain(['-f', '-'], { stdin: pod });
      assert.match(
        stdout,
        /left {10}NotAsked: the API server does not ask Slipstream about Pods of the namespace kube-system/,
      );
    } finally {
      await client.delete(acceleratedImages, made.metadata);
    }
  });

  test('as a plugin of kubectl', async () => {
    const plugin = join(directory, 'kubectl-slipstream');
    await writeFile(plugin, `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`);
    await chmod(plugin, 0o755);
    // HOME is where kubectl keeps its cache.
    const env = { KUBECONFIG: envtest.kubeconfig, HOME: directory, PATH: `${directory}:/usr/bin:/bin` };
    const { code, stdout } = await run(toolPath('kubectl'), ['slipstream', 'explain', 'pod/web', '-n', TEAM], { env });
    assert.equal(code, 0);
    assert.match(stdout, /^Pod team-a\/web\n/);
  });

  test('the documented rights are enough', async () => {
    const kubeconfig = await userWith('reader', await documentedRules());
    const { code, stdout } = await explain(['pod/web', '-n', TEAM], { kubeconfig });
    assert.equal(code, 0);
    assert.match(stdout, /would be rewritten\n/);
    assert.doesNotMatch(stdout, /not known/);
  });

  test('a user who may not list nodes is told so, and what cannot be told without them', async () => {
    const rules = (await documentedRules()).filter(({ resources }) => !resources.includes('nodes'));
    const kubeconfig = await userWith('nodeless', rules);
    const { code, stdout } = await explain(['pod/web', '-n', TEAM], { kubeconfig });
    assert.equal(code, 0);
    assert.match(stdout, /now {11}cannot be told\n/);
    assert.match(stdout, /unknown {7}it cannot be told whether a node .* has Nydus.*: you may not list nodes\n/);
    assert.match(stdout, /remedy {8}Ask for the right to list nodes\.\n/);
  });

  test('a user with the rights of a namespace only is told all that these do not allow', async () => {
    const kubeconfig = await userWith('tenant', [
      { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
      { apiGroups: ['slipstream.dev'], resources: ['acceleratedimages'], verbs: ['list'] },
    ]);
    const { stdout } = await explain(['pod/stale', '-n', TEAM], { kubeconfig });
    assert.match(stdout, /left {10}TagStale/);
    assert.deepEqual(
      [...stdout.matchAll(/\(you may not (.*)\)/g)].map(([, right]) => right),
      [
        'get configmap slipstream in namespace slipstream-system',
        'get namespace team-a',
        'list nodes',
        'get runtimeclass nydus',
        'get mutatingwebhookconfiguration slipstream',
      ],
    );
  });

  test('what cannot be explained is an error that says what to do, and exit code 1', async () => {
    const nobody = await userWith('nobody', [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]);
    const errors: [error: RegExp, command: () => Promise<Ran>][] = [
      [/^slipstream: there is no Pod nothing in the namespace team-a: /, () => explain(['pod/nothing', '-n', TEAM])],
      [/^slipstream: cannot explain deploy\/web: name a Pod as pod\/NAME/, () => explain(['deploy/web'])],
      [/^slipstream: say what to explain/, () => explain([])],
      [/^slipstream: cannot read .*nothing\.yaml: ENOENT/, () => explain(['-f', join(directory, 'nothing.yaml')])],
      [/has no context other, only: envtest/, () => explain(['pod/web', '--context', 'other'])],
      [
        /there is no ConfigMap elsewhere\/slipstream .* name the namespace and the release/,
        () => explain(['pod/web', '-n', TEAM, '--operator-namespace', 'elsewhere']),
      ],
      [
        /you may not list acceleratedimages in namespace team-a, and without that nothing can be told/,
        () => explain(['pod/web', '-n', TEAM], { kubeconfig: nobody }),
      ],
      [
        /^slipstream: found no kubeconfig and no ServiceAccount; name a kubeconfig or set KUBECONFIG/,
        () => run(process.execPath, [MAIN, 'explain', 'pod/web'], { env: { HOME: directory } }),
      ],
    ];
    for (const [error, command] of errors) {
      const { code, stdout, stderr } = await command();
      assert.match(stderr, error);
      assert.deepEqual([code, stdout], [1, '']);
    }
  });

  describe('the owner of a Pod that is left as it was', () => {
    let owning: ReplicaSet;

    before(async () => {
      const labels = { app: 'stale' };
      const containers = [{ name: 'web', image: STALE }];
      owning = await client.create(replicaSets, {
        metadata: { name: 'stale-5d4f', namespace: TEAM },
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
      });
    });

    function owners(): object[] {
      const { name, uid } = owning.metadata;
      return [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true }];
    }

    async function told(): Promise<readonly Event[]> {
      await recorder.flush();
      const { items } = await client.list(events, { namespace: TEAM });
      return items.filter(({ regarding }) => regarding?.uid === owning.metadata.uid);
    }

    test('is told nothing of a dry run', async () => {
      await create('dry', STALE, { query: { dryRun: 'All' }, owners: owners() });
      assert.deepEqual(await told(), []);
    });

    test('is told why and what would have to change, in one Event however many Pods it makes', async () => {
      for (const name of ['stale-1', 'stale-2', 'stale-3']) {
        await create(name, STALE, { owners: owners() });
      }
      const [event, ...more] = await told();
      assert.deepEqual(more, []);
      assert.ok(event);
      assert.deepEqual(
        [event.type, event.reason, event.action, event.reportingController, event.series?.count],
        ['Warning', 'TagStale', 'Admit', 'slipstream.dev/webhook', 3],
      );
      assert.match(event.note ?? '', /^New Pods keep an image that AcceleratedImage team-a\/stale names: .* See that /);
    });
  });
});

test('the running operator tells the owner of a Pod why its image was kept', async () => {
  await using operator = await startOperator({});
  const { client, webhookPort } = operator;
  await client.create(acceleratedImages, {
    metadata: { name: 'web', namespace: TEAM },
    spec: { source: { image: WEB } },
  });
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  const body = JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u1',
      operation: 'CREATE',
      resource: { group: '', version: 'v1', resource: 'pods' },
      namespace: TEAM,
      object: webPod(WEB, { metadata: { ownerReferences: [owner('apps/v1', 'ReplicaSet')] } }),
    },
  });
  const headers = { 'content-type': 'application/json' };
  try {
    await until('the Event is there', async () => {
      const url = `https://127.0.0.1:${webhookPort}/mutate-pods`;
      const answer = await request(url, { method: 'POST', body, headers, dispatcher });
      await answer.body.dump();
      const { items } = await client.list(events, { namespace: TEAM });
      return items.some(({ reason, regarding }) => regarding?.kind === 'ReplicaSet' && reason === 'NotReady');
    });
  } finally {
    await dispatcher.close();
  }
});
