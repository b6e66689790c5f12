import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { load } from 'js-yaml';
import { request } from 'undici';
import type { PrefetchPolicy } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import type { ScaleOutReport } from '../../src/cli/timeline-report.ts';
import {
  deployments,
  horizontalPodAutoscalers,
  pods,
  prefetchPolicies,
  type HorizontalPodAutoscaler,
  type Pod,
} from '../../src/kube/resources.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { startSeedDouble, type SeedDouble } from '../doubles/seed-peer.ts';
import { startWorkloadControllers } from '../envtest/controller-manager.ts';
import { MAIN, run, type Ran } from '../support/cli.ts';
import { startOperator, type RunningOperator } from '../support/operator.ts';
import { until } from '../support/until.ts';

const namespace = 'team-a';
const name = 'web';
const ref = { namespace, name };
const MERGE = 'application/merge-patch+json';
const STATUS = { subresource: 'status' };
const DOCS = new URL('../../docs/timeline.md', import.meta.url);

describe('the time line of a scale-out on a real API server', () => {
  let operator: RunningOperator;
  let controllers: AsyncDisposable;
  let origin: FaultyRegistry;
  let seed: SeedDouble;

  before(async () => {
    [origin, seed] = await Promise.all([startFaultyRegistry(), startSeedDouble()]);
    operator = await startOperator({
      registries: [{ host: origin.host, plainHTTP: true }],
      providers: [{ name: 'default', type: 'seedPeers', endpoints: [seed.seed.url] }],
    });
    controllers = await startWorkloadControllers(operator.envtest);
    origin.addImage('shop/web', '1', { layers: [Buffer.alloc(1000, 1)] });
    await createWorkload();
  });

  after(async () => {
    await controllers?.[Symbol.asyncDispose]();
    await operator?.[Symbol.asyncDispose]();
    await seed?.[Symbol.asyncDispose]();
    await origin?.close();
  });

  /** A Deployment of one Pod that is Ready, its autoscaler and a policy. */
  async function createWorkload(): Promise<void> {
    const { client } = operator;
    const labels = { app: name };
    const containers = [{ name, image: `${origin.host}/shop/web:1` }];
    await client.create(deployments, {
      metadata: ref,
      spec: {
        replicas: 1,
        // A rollout takes no Pod away before another is Ready.
        strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      },
    });
    await client.create(horizontalPodAutoscalers, {
      metadata: ref,
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, minReplicas: 1, maxReplicas: 5 },
    });
    await autoscaler({ currentReplicas: 1, desiredReplicas: 1 });
    await client.create(prefetchPolicies, { metadata: ref, spec: { horizontalPodAutoscalerRef: { name } } });
    await runPods(1);
  }

  async function autoscaler(status: object): Promise<HorizontalPodAutoscaler> {
    const body = { status: { conditions: [], ...status } };
    return operator.client.patch(horizontalPodAutoscalers, ref, body, MERGE, STATUS);
  }

  /** What the autoscaler does: it scales, and says so. */
  async function scaleOut(from: number, to: number): Promise<void> {
    await operator.client.patch(deployments, ref, { spec: { replicas: to } }, MERGE);
    const lastScaleTime = `${new Date().toISOString().slice(0, 19)}Z`;
    await autoscaler({ currentReplicas: from, desiredReplicas: to, lastScaleTime });
  }

  /** What kubelets do: pulls the images of all Pods and runs them, once there are as many. */
  async function runPods(count: number, which: (pod: Pod) => boolean = () => true): Promise<void> {
    const list = async (): Promise<Pod[]> => (await operator.client.list(pods, { namespace })).items;
    await until(`there are ${count} Pods`, async () => (await list()).length === count);
    for (const pod of (await list()).filter((each) => each.status?.phase === 'Pending' && which(each))) {
      await runPod(pod);
    }
  }

  async function runPod({ metadata, spec }: Pod): Promise<void> {
    const { client } = operator;
    const target = { namespace, name: metadata.name };
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    const image = spec?.containers[0]?.image ?? '';
    await client.raw('POST', `/api/v1/namespaces/${namespace}/events`, {
      body: {
        metadata: { generateName: `${metadata.name}.` },
        involvedObject: { kind: 'Pod', ...target, uid: metadata.uid, fieldPath: `spec.containers{${name}}` },
        reason: 'Pulled',
        message: `Successfully pulled image "${image}" in 1.204s (1.204s including waiting). Image size: 9 bytes.`,
        type: 'Normal',
        source: { component: 'kubelet', host: 'node-1' },
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      },
    });
    const condition = (type: string): object => ({ type, status: 'True', lastTransitionTime: now });
    const container = {
      name,
      image,
      imageID: '',
      ready: true,
      restartCount: 0,
      state: { running: { startedAt: now } },
    };
    const scheduled = { phase: 'Running', conditions: [condition('PodScheduled')], containerStatuses: [container] };
    await client.patch(pods, target, { status: scheduled }, MERGE, STATUS);
    const ready = { conditions: [condition('PodScheduled'), condition('Ready')] };
    await client.patch(pods, target, { status: ready }, MERGE, STATUS);
  }

  function policy(): Promise<PrefetchPolicy> {
    return operator.client.get(prefetchPolicies, ref);
  }

  /** The operator's metrics by name and labels. */
  async function metrics(): Promise<ReadonlyMap<string, number>> {
    const { body } = await request(`http://127.0.0.1:${operator.healthPort}/metrics`);
    const lines = (await body.text()).split('\n').filter((line) => line.startsWith('slipstream_scaleout'));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
  }

  /** Watches of the Pods of one namespace that are open at the API server: nothing else here has any. */
  async function podWatches(): Promise<number> {
    const text = await operator.client.raw('GET', '/metrics');
    return text
      .split('\n')
      .filter((line) =>
        /^apiserver_longrunning_requests\{.*resource="pods".*scope="namespace".*verb="WATCH"/.test(line),
      )
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  function timeline(...args: readonly string[]): Promise<Ran> {
    const env = { KUBECONFIG: operator.envtest.kubeconfig };
    return run(process.execPath, [MAIN, 'timeline', ...args], { env });
  }

  /** A user with these rules in every namespace; returns the kubeconfig. */
  async function userWith(user: string, rules: readonly object[]): Promise<string> {
    const { client, envtest } = operator;
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const apiGroup = 'rbac.authorization.k8s.io';
    await client.raw('POST', `${rbac}/clusterroles`, { body: { metadata: { name: user }, rules } });
    const roleRef = { apiGroup, kind: 'ClusterRole', name: user };
    const subjects = [{ apiGroup, kind: 'User', name: user }];
    await client.raw('POST', `${rbac}/clusterrolebindings`, { body: { metadata: { name: user }, roleRef, subjects } });
    return envtest.kubeconfigFor(user);
  }

  test('before the first scale-out, the command says what it waits for', async () => {
    await until('Slipstream has looked at the policy', async () => {
      return (await policy()).status?.horizontalPodAutoscaler !== undefined;
    });
    const { code, stderr } = await timeline(`deploy/${name}`, '-n', namespace);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      'slipstream: PrefetchPolicy team-a/web has recorded no scale-out yet: --watch waits for one\n',
    );
  });

  test('a scale-out is followed live, measured by the operator, and shown afterwards', async () => {
    const env = { KUBECONFIG: operator.envtest.kubeconfig };
    const live = spawn(process.execPath, [MAIN, 'timeline', `pfp/${name}`, '-n', namespace, '--watch'], { env });
    let written = '';
    live.stdout.setEncoding('utf8').on('data', (text: string) => (written += text));
    live.stderr.setEncoding('utf8').on('data', (text: string) => (written += text));
    const exited = once(live, 'exit');
    try {
      await until('the command follows', async () => written.includes('Deployment team-a/web, PrefetchPolicy web'));
      await autoscaler({ currentReplicas: 1, desiredReplicas: 3 });
      await until('the images are warm', async () => (await policy()).status?.decision?.warmVerifiedAt !== undefined);
      await scaleOut(1, 3);
      await until('the Pods are watched', async () => (await podWatches()) >= 2);
      await runPods(3);
      await until('the scale-out is measured', async () => {
        return (await metrics()).get('slipstream_scaleouts_total{result="ready"}') === 1;
      });
      await until('the command has shown the end', async () => written.includes('last Pod Ready'));
    } finally {
      live.kill('SIGINT');
    }
    assert.deepEqual(await exited, [0, null]);
    assert.match(written, /\n +\+0\.0 s {2}\d\d:\d\d:\d\d\.\d{3} {2}scale-out foreseen, DesiredAboveCurrent: /);
    assert.match(written, /\n +\+\d+\.\d s {2}.{12} {2}warm started\n/);
    assert.match(written, /\n +\+\d+\.\d s {2}.{12} {2}warm verified\n/);
    assert.match(written, /\n +~\+\d+\.\d s {2}\d\d:\d\d:\d\d {6}HorizontalPodAutoscaler scaled out, 1→3 replicas\n/);
    for (const what of ['created', 'scheduled', 'image pulled in 1\\.2 s', 'started', 'Ready']) {
      assert.equal([...written.matchAll(new RegExp(`  web-\\w+-\\w+ ${what}\\n`, 'g'))].length, 2, what);
    }
  });

  test('the histograms have the scale-out, and the line of the log all of its times', async () => {
    const measured = await metrics();
    const count = (phase: string): number | undefined =>
      measured.get(`slipstream_scaleout_phase_seconds_count{phase="${phase}"}`);
    assert.deepEqual(['decision_to_warm_started', 'warm', 'scaled_to_all_ready'].map(count), [1, 1, 1]);
    assert.deepEqual(['scaled_to_pod_created', 'pod_created_to_started', 'pod_created_to_ready'].map(count), [2, 2, 2]);
    assert.equal(measured.get('slipstream_scaleout_lead_seconds_count'), 1);
    // Warm came first, so nothing is at zero or below.
    assert.equal(measured.get('slipstream_scaleout_lead_seconds_bucket{le="0"}'), 0);
    const line = operator.lines.map((text) => JSON.parse(text) as Record<string, unknown>);
    const [told] = line.filter(({ msg }) => String(msg).startsWith('scaled out 1→3: warm verified '));
    assert.ok(told);
    assert.equal(told['horizontalPodAutoscaler'], 'team-a/web');
    assert.equal((told['pods'] as unknown[]).length, 2);
  });

  test('nothing of it is watched any more', async () => {
    await until('the watches are closed', async () => (await podWatches()) === 0);
  });

  test('the command shows it afterwards, by any name of what scales', async () => {
    const { code, stdout, stderr } = await timeline(`deploy/${name}`, '-n', namespace);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(
      stdout,
      /^Deployment team-a\/web, PrefetchPolicy web, HorizontalPodAutoscaler web\n\nScale-out: warm verified /,
    );
    assert.equal([...stdout.matchAll(/▓*●.* image pulled in 1\.2 s, /g)].length, 2);
    for (const target of [`pfp/${name}`, `hpa/${name}`, `deployments.apps/${name}`]) {
      const other = await timeline(target, '-n', namespace, '-o', 'json');
      const { items } = JSON.parse(other.stdout) as { items: ScaleOutReport[] };
      assert.equal(items.length, 1);
      assert.deepEqual(items[0]?.replicas, { from: 1, to: 3 });
      assert.equal(items[0]?.pods.length, 2);
      assert.equal(items[0]?.pods[0]?.pullSeconds, 1.204);
      assert.ok((items[0]?.seconds.scaledToAllReady ?? -1) >= 0);
    }
  });

  test('Pods of a rollout in the middle of a scale-out do not count; --watch writes JSON at the end of each', async () => {
    const env = { KUBECONFIG: operator.envtest.kubeconfig };
    const args = [MAIN, 'timeline', `hpa/${name}`, '-n', namespace, '--watch', '-o', 'json'];
    const live = spawn(process.execPath, args, { env });
    let written = '';
    live.stdout.setEncoding('utf8').on('data', (text: string) => (written += text));
    const exited = once(live, 'exit');
    const { items: before } = await operator.client.list(pods, { namespace });
    try {
      await until('the command watches', async () => (await podWatches()) > 0);
      await scaleOut(3, 4);
      const second = Math.floor(Date.now() / 1000);
      // Of one second it could not be told what came first.
      await until('the second is over', async () => Math.floor(Date.now() / 1000) > second);
      const template = { metadata: { annotations: { rollout: '2' } } };
      await operator.client.patch(deployments, ref, { spec: { template } }, MERGE);
      const hash = 'pod-template-hash';
      await runPods(5, ({ metadata }) => metadata.labels?.[hash] === before[0]?.metadata.labels?.[hash]);
      await until('the scale-out is measured', async () => {
        return (await metrics()).get('slipstream_scaleouts_total{result="ready"}') === 2;
      });
      await until('the command has written it', async () => written.includes('"scaledToAllReady"'));
    } finally {
      live.kill('SIGINT');
    }
    assert.deepEqual(await exited, [0, null]);
    const report = JSON.parse(written) as ScaleOutReport;
    const created = report.pods.map((pod) => pod.name);
    assert.equal(created.length, 1);
    assert.ok(before.every(({ metadata }) => !created.includes(metadata.name)));
    assert.equal((await metrics()).get('slipstream_scaleout_phase_seconds_count{phase="pod_created_to_ready"}'), 3);
    const later = await timeline(`deploy/${name}`, '-n', namespace, '-o', 'json');
    const { items } = JSON.parse(later.stdout) as { items: ScaleOutReport[] };
    assert.deepEqual(
      items[0]?.pods.map((pod) => pod.name),
      created,
    );
  });

  test('the documented rights are enough, and a user without one is told which', async () => {
    const [, yaml = ''] = /```yaml\n([\s\S]*?kind: ClusterRole\n[\s\S]*?)```/.exec(await readFile(DOCS, 'utf8')) ?? [];
    const { rules } = load(yaml) as { rules: { resources: string[] }[] };
    const all = await userWith('reader', rules);
    const { code, stdout } = await timeline(`deploy/${name}`, '-n', namespace, '--kubeconfig', all);
    assert.equal(code, 0);
    assert.doesNotMatch(stdout, /you may not/);
    const eventless = await userWith(
      'eventless',
      rules.filter(({ resources }) => !resources.includes('events')),
    );
    const without = await timeline(`deploy/${name}`, '-n', namespace, '--kubeconfig', eventless);
    assert.match(
      without.stdout,
      /It is not known when the images were pulled: you may not list events\.events\.k8s\.io in/,
    );
    const podless = await userWith(
      'podless',
      rules.filter(({ resources }) => !resources.includes('pods')),
    );
    const refused = await timeline(`deploy/${name}`, '-n', namespace, '--kubeconfig', podless);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^slipstream: you may not list pods in namespace team-a, .*: ask for that right\n$/);
  });

  test('what cannot be shown is an error that says what to do', async () => {
    const errors: [error: RegExp, args: readonly string[]][] = [
      [/^slipstream: cannot show the time line of pod\/web: name what scales as pfp\/NAME, /, ['pod/web']],
      [/^slipstream: no PrefetchPolicy of the namespace team-a watches Deployment other: create one/, ['deploy/other']],
      [/^slipstream: there is no PrefetchPolicy other in the namespace team-a: /, ['pfp/other']],
      [/^slipstream: --last none is not a number of scale-outs/, ['deploy/web', '--last', 'none']],
    ];
    for (const [error, args] of errors) {
      const { code, stderr } = await timeline(...args, '-n', namespace);
      assert.equal(code, 1);
      assert.match(stderr, error);
    }
  });
});
