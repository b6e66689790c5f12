import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cgroupFolders } from '../../hack/cluster/cgroups.ts';
import { BUSYBOX_IMAGE, layoutOf } from '../../hack/cluster/layout.ts';

const execute = promisify(execFile);
const CLUSTER = join(import.meta.dirname, '../../hack/cluster');
const NAME = 'e2e-cluster';
const CRASHED = 'e2e-crash';

async function hack(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute(process.execPath, [join(CLUSTER, command), ...args]);
  return stdout;
}

/** Runs a command inside the cluster. */
function inside(...command: string[]): Promise<string> {
  return hack('run.ts', '--name', NAME, '--', ...command);
}

async function kubectl(...args: string[]): Promise<string> {
  return inside('kubectl', ...args);
}

async function eventually(what: string, check: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 120_000;
  while (!(await check())) {
    assert.ok(performance.now() < deadline, `${what}: not within two minutes`);
    await sleep(500);
  }
}

/** Whatever on this machine still belongs to a cluster: processes by their command lines, mounts, cgroups. */
function leftOvers(name: string): string[] {
  const { state } = layoutOf(name);
  const processes = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(state) ? [`process ${pid}`] : [];
      } catch {
        return [];
      }
    });
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(state));
  return [...processes, ...mounts, ...cgroupFolders(`slipstream-${name}`)];
}

const WEB = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: 'kubernetes.io/hostname',
            whenUnsatisfiable: 'DoNotSchedule',
            labelSelector: { matchLabels: { app: 'web' } },
          },
        ],
        containers: [
          {
            name: 'web',
            image: BUSYBOX_IMAGE,
            command: ['sh', '-c', 'hostname >/www/index.html; echo serving; exec httpd -f -p 8080 -h /www'],
            readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
            resources: { requests: { cpu: '10m' } },
          },
        ],
      },
    },
  },
};
const SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
};
const AUTOSCALER = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'web' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    minReplicas: 2,
    maxReplicas: 3,
    metrics: [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 500 } } },
    ],
  },
};

describe('the development cluster', () => {
  before(async () => {
    await hack('up.ts', '--name', NAME, '--nodes', '2');
    const objects = { apiVersion: 'v1', kind: 'List', items: [WEB, SERVICE, AUTOSCALER] };
    await inside('sh', '-c', `echo '${JSON.stringify(objects)}' | kubectl apply -f -`);
  });
  after(() => hack('down.ts', '--name', NAME));

  test('both nodes are Ready and can run Nydus images', async () => {
    const { items } = JSON.parse(await kubectl('get', 'nodes', '-o', 'json')) as {
      items: {
        metadata: { name: string };
        status: { conditions: { type: string; status: string }[]; runtimeHandlers: { name: string }[] };
      }[];
    };
    assert.deepEqual(items.map((node) => node.metadata.name).toSorted(), ['node-1', 'node-2']);
    for (const { status } of items) {
      assert.ok(status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'));
      assert.ok(status.runtimeHandlers.some(({ name }) => name === 'nydus'));
    }
  });

  test('Pods run on each node from an image in the registry, and their logs can be read', async () => {
    await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    const nodes = await kubectl('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].spec.nodeName}');
    assert.deepEqual(nodes.split(' ').toSorted(), ['node-1', 'node-2']);
    assert.equal(await kubectl('logs', 'deployment/web'), 'serving\n');
  });

  test('a Pod reaches the Pods of a Service by its address', async () => {
    const address = await kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}');
    const pods = await kubectl('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].metadata.name}');
    const script = `for i in 1 2 3 4 5 6 7 8 9 10 11 12; do wget -qO- http://${address}/; done`;
    const answers = await kubectl('exec', 'deployment/web', '--', 'sh', '-c', script);
    assert.deepEqual([...new Set(answers.trim().split('\n'))].toSorted(), pods.split(' ').toSorted());
  });

  test('Pods have a token, and reach the API server and the registry', async () => {
    const token = '/var/run/secrets/kubernetes.io/serviceaccount/token';
    assert.match(await kubectl('exec', 'deployment/web', '--', 'cat', token), /^ey/);
    await kubectl(
      'exec',
      'deployment/web',
      '--',
      'sh',
      '-c',
      'nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null',
    );
    const [registry = ''] = BUSYBOX_IMAGE.split('/');
    assert.match(
      await kubectl('exec', 'deployment/web', '--', 'wget', '-qO-', `http://${registry}/v2/_catalog`),
      /busybox/,
    );
  });

  test('the metrics API answers, and an autoscaler sees the use of processors', async () => {
    await eventually('node metrics', async () => {
      const nodes = await kubectl('get', '--raw', '/apis/metrics.k8s.io/v1beta1/nodes').catch(() => '{"items":[]}');
      return (JSON.parse(nodes) as { items: unknown[] }).items.length === 2;
    });
    await eventually('autoscaler metrics', async () => {
      const path = 'jsonpath={.status.currentMetrics[0].resource.current.averageUtilization}';
      return /^\d+$/.test(await kubectl('get', 'hpa', 'web', '-o', path));
    });
  });

  test('a part that is killed can be started again', async () => {
    const module = JSON.stringify(join(CLUSTER, 'cluster.ts'));
    const act = (action: string): Promise<string> =>
      inside(
        'node',
        '--eval',
        `import(${module}).then(async (m) => (await m.openCluster()).control('kube-apiserver', '${action}'))`,
      );
    await act('kill');
    await assert.rejects(kubectl('get', 'nodes', '--request-timeout=2s'));
    await act('start');
    assert.match(await kubectl('get', 'nodes'), /node-1 +Ready/);
  });

  test('the exit code of a command inside is passed through', async () => {
    await assert.rejects(inside('sh', '-c', 'exit 7'), { code: 7 });
  });
});

test('nothing is left of a cluster that was taken down', () => {
  assert.deepEqual(leftOvers(NAME), []);
  assert.ok(!existsSync(layoutOf(NAME).state));
});

test('a cluster ends with the process that it was brought up for, even if that is killed', async () => {
  const run = [join(CLUSTER, 'run.ts'), '--fresh', '--name', CRASHED, '--', 'true'];
  const owner = spawn(process.execPath, run, { stdio: 'ignore' });
  const { progress, state } = layoutOf(CRASHED);
  await eventually('a node has started', () =>
    Promise.resolve(existsSync(progress) && readFileSync(progress, 'utf8').includes('containerd')),
  );
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  await eventually('every process and mount is gone', () =>
    Promise.resolve(leftOvers(CRASHED).every((found) => found.startsWith('/sys/fs/cgroup/'))),
  );
  await hack('down.ts', '--name', CRASHED);
  assert.deepEqual(leftOvers(CRASHED), []);
  assert.ok(!existsSync(state));
});
