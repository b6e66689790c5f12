import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { loadAll } from 'js-yaml';
import { ORIGINAL_IMAGES_ANNOTATION } from '../../src/api/v1alpha1/labels.ts';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { deployments, jobs, namespaces, pods } from '../../src/kube/resources.ts';
import { startWorkloadControllers } from '../envtest/controller-manager.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';
import { MAIN, run, type Ran } from '../support/cli.ts';
import { CRDS } from '../support/operator.ts';
import { ARTIFACT_DIGEST } from '../support/rewriting.ts';
import { until } from '../support/until.ts';

const OPERATOR = 'slipstream-system';
const TEAM = 'shop';
const STATUS = ['application/merge-patch+json', { subresource: 'status' }] as const;
const DOCS = new URL('../../docs/learn.md', import.meta.url);
const RBAC = 'rbac.authorization.k8s.io';

/** A Role in the documentation. */
interface Role {
  metadata: { name: string; namespace: string };
  rules: { resources: string[] }[];
}

describe('slipstream learn on a real API server whose nodes nobody runs', () => {
  let envtest: Envtest;
  let client: KubeClient;
  let controllers: AsyncDisposable;

  before(async () => {
    envtest = await startEnvtest({ crds: CRDS });
    client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'learn-test' });
    controllers = await startWorkloadControllers(envtest);
    for (const name of [OPERATOR, TEAM]) {
      await client.create(namespaces, { metadata: { name } });
    }
    const labels = { app: 'slipstream' };
    await client.create(deployments, {
      metadata: { namespace: OPERATOR, name: 'slipstream' },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'slipstream', image: 'registry.test/op:1' }] } },
      },
    });
    await createPod('web');
    await client.patch(pods, { namespace: TEAM, name: 'web' }, { status: { phase: 'Running' } }, ...STATUS);
    await createPod('pending');
  });

  after(async () => {
    await controllers?.[Symbol.asyncDispose]();
    await client?.close();
    await envtest?.stop();
  });

  /** A Pod that admission has rewritten. */
  async function createPod(name: string): Promise<void> {
    await client.create(pods, {
      metadata: {
        namespace: TEAM,
        name,
        annotations: { [ORIGINAL_IMAGES_ANNOTATION]: '{"web":"registry.test/web:1"}' },
      },
      spec: {
        nodeName: 'node-1',
        containers: [{ name: 'web', image: `registry.test/web:1-nydus@${ARTIFACT_DIGEST}` }],
      },
    });
  }

  function learn(args: readonly string[], kubeconfig = envtest.kubeconfig): Promise<Ran> {
    return run(process.execPath, [MAIN, 'learn', ...args, '--namespace', TEAM], { env: { KUBECONFIG: kubeconfig } });
  }

  /** A user with the documented Roles, but for the rules about a resource; returns the kubeconfig. */
  async function userWithout(resource: string | undefined, name: string): Promise<string> {
    const [, yaml = ''] = /```yaml\n([\s\S]*?kind: Role\n[\s\S]*?)```/.exec(await readFile(DOCS, 'utf8')) ?? [];
    for (const role of loadAll(yaml) as Role[]) {
      const path = `/apis/${RBAC}/v1/namespaces/${role.metadata.namespace}`;
      const rules = role.rules.filter(({ resources }) => resource === undefined || !resources.includes(resource));
      await client.raw('POST', `${path}/roles`, { body: { metadata: { name }, rules } });
      const roleRef = { apiGroup: RBAC, kind: 'Role', name };
      const subjects = [{ apiGroup: RBAC, kind: 'User', name }];
      await client.raw('POST', `${path}/rolebindings`, { body: { metadata: { name }, roleRef, subjects } });
    }
    return envtest.kubeconfigFor(name);
  }

  /** Has the Pod of the command's Job end as its kubelet would say. */
  async function failPod(message: string): Promise<void> {
    await until('the Job has a Pod', async () => {
      const [pod] = (await client.list(pods, { namespace: OPERATOR })).items.filter(
        (each) => each.status?.phase !== 'Failed',
      );
      if (pod === undefined) {
        return false;
      }
      const ref = { namespace: OPERATOR, name: pod.metadata.name };
      await client.patch(pods, ref, { status: { phase: 'Failed', message } }, ...STATUS);
      return true;
    });
  }

  async function jobsLeft(): Promise<number> {
    return (await client.list(jobs, { namespace: OPERATOR })).items.length;
  }

  test('the documented rights are enough; a Job whose Pod the node refuses says why, and is gone', async () => {
    const kubeconfig = await userWithout(undefined, 'learner');
    const [{ code, stderr }] = await Promise.all([learn(['pod/web'], kubeconfig), failPod('node has no memory left')]);
    assert.equal(code, 1);
    assert.equal(stderr, 'slipstream: the Pod on node-1 failed: node has no memory left\n');
    assert.equal(await jobsLeft(), 0);
  });

  test('a command that is interrupted takes its Job with it', async () => {
    const args = [MAIN, 'learn', 'pod/web', '--namespace', TEAM];
    const command = spawn(process.execPath, args, { env: { KUBECONFIG: envtest.kubeconfig } });
    const ended = once(command, 'exit');
    await until('there is a Job', async () => (await jobsLeft()) === 1);
    command.kill('SIGINT');
    assert.deepEqual(await ended, [1, null]);
    assert.equal(await jobsLeft(), 0);
  });

  test('who may not create Jobs is told so, and of the way without', async () => {
    const { code, stderr } = await learn(['pod/web'], await userWithout('jobs', 'jobless'));
    assert.equal(code, 1);
    assert.match(stderr, /you must be allowed to create Jobs in the namespace slipstream-system; .* --records/);
  });

  test('a namespace that refuses Pods with files of their node is said to at once, and no Job stays', async () => {
    const restricted = { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } } };
    await client.patch(namespaces, { name: OPERATOR }, restricted, 'application/merge-patch+json');
    const { code, stderr } = await learn(['pod/web']);
    await client.patch(
      namespaces,
      { name: OPERATOR },
      { metadata: { labels: { 'pod-security.kubernetes.io/enforce': null } } },
      'application/merge-patch+json',
    );
    assert.equal(code, 1);
    assert.match(
      stderr,
      /no Pod that sees files of its node may be created .*violates PodSecurity.*hostPath.* --records/,
    );
    assert.equal(await jobsLeft(), 0);
  });

  test('what cannot be learnt from is an error that says what to do', async () => {
    const errors: [error: RegExp, args: readonly string[]][] = [
      [/^slipstream: say what to learn from: either pod\/NAME, or --records FILE and --bootstrap FILE/, []],
      [/^slipstream: say what to learn from/, ['--records', 'x']],
      [/^slipstream: cannot learn from deploy\/web: name a running Pod as pod\/NAME/, ['deploy/web']],
      [/^slipstream: there is no Pod nothing in the namespace shop: /, ['pod/nothing']],
      [/^slipstream: Pod shop\/pending is Pending: wait until it runs and is Ready/, ['pod/pending']],
      [/^slipstream: --limit 257 is not a number of paths: give 1 to 256/, ['pod/web', '--limit', '257']],
      [/^slipstream: cannot read nothing\.json: ENOENT/, ['--records', 'nothing.json', '--bootstrap', 'x']],
      [/there is no Deployment elsewhere\/slipstream /, ['pod/web', '--operator-namespace', 'elsewhere']],
    ];
    for (const [error, args] of errors) {
      const { code, stdout, stderr } = await learn(args);
      assert.match(stderr, error);
      assert.deepEqual([code, stdout], [1, '']);
    }
  });
});
