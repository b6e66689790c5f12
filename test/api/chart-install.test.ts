import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dump, load } from 'js-yaml';
import { z } from 'zod';
import { type KubeClient, loadKubeClient } from '../../src/kube/client.ts';
import { isForbidden, isNotFound } from '../../src/kube/errors.ts';
import { acceleratedImages, mutatingWebhookConfigurations, rewriteTables, secrets } from '../../src/kube/resources.ts';
import { type Envtest, startEnvtest } from '../envtest/envtest.ts';
import { freePorts } from '../envtest/ports.ts';
import { startProcess } from '../envtest/process.ts';
import { until } from '../support/until.ts';
import { runJobHook } from './job-hook.ts';
import { CHART, helm, NAMESPACE, RELEASE, VALUES } from './chart.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const ACCOUNT = `system:serviceaccount:${NAMESPACE}:${RELEASE}`;

/** A right, as the API server is asked about it: verb, resource (with its group), namespace, name. */
type Right = [verb: string, resource: string, namespace?: string | undefined, name?: string];

const granted: Right[] = [
  ['list', 'acceleratedimages.slipstream.dev'],
  ['patch', 'prefetchpolicies.slipstream.dev/status', 'team-a'],
  ['patch', 'nodes'],
  ['create', 'jobs.batch', 'team-a'],
  ['get', 'pods/log', 'team-a'],
  ['watch', 'horizontalpodautoscalers.autoscaling'],
  ['get', 'deployments.apps', 'team-a'],
  ['create', 'events.events.k8s.io', 'team-a'],
  ['update', 'mutatingwebhookconfigurations.admissionregistration.k8s.io', undefined, RELEASE],
  ['delete', 'rewritetables.slipstream.dev', 'team-a', 'rewrites'],
  ['update', 'leases.coordination.k8s.io', NAMESPACE, 'slipstream'],
  ['update', 'secrets', NAMESPACE, `${RELEASE}-webhook`],
  ['get', 'secrets', NAMESPACE, 'registry-reader'],
  ['get', 'secrets', NAMESPACE, 'dragonfly-token'],
  ['watch', 'secrets', NAMESPACE, 'notification-tokens'],
  ['get', 'secrets', 'team-a', 'regcred'],
  ['list', 'endpointslices.discovery.k8s.io', 'dragonfly-system'],
];

const denied: Right[] = [
  ['list', 'secrets'],
  ['list', 'secrets', NAMESPACE],
  ['get', 'secrets', NAMESPACE, 'other'],
  ['list', 'secrets', 'team-a'],
  ['get', 'secrets', 'team-a', 'other'],
  ['get', 'secrets', 'team-c', 'regcred'],
  ['update', 'secrets', 'team-a', 'regcred'],
  ['update', 'secrets', NAMESPACE, 'notification-tokens'],
  ['watch', 'secrets', NAMESPACE],
  ['update', 'acceleratedimages.slipstream.dev', 'team-a'],
  ['delete', 'acceleratedimages.slipstream.dev', 'team-a'],
  ['create', 'rewritetables.slipstream.dev', 'team-a'],
  ['patch', 'rewritetables.slipstream.dev', 'team-a', 'rewrites'],
  ['delete', 'rewritetables.slipstream.dev', 'team-a', 'other'],
  ['create', 'pods', 'team-a'],
  ['create', 'pods/exec', 'team-a'],
  ['delete', 'pods', 'team-a'],
  ['delete', 'nodes'],
  ['patch', 'nodes/status'],
  ['patch', 'deployments.apps', 'team-a'],
  ['update', 'mutatingwebhookconfigurations.admissionregistration.k8s.io', undefined, 'other'],
  ['create', 'mutatingwebhookconfigurations.admissionregistration.k8s.io'],
  ['create', 'clusterrolebindings.rbac.authorization.k8s.io'],
  ['create', 'serviceaccounts/token', NAMESPACE],
  ['impersonate', 'users'],
  ['list', 'endpointslices.discovery.k8s.io', 'team-a'],
];

describe('the installed chart', () => {
  let envtest: Envtest;
  let admin: KubeClient;
  let directory: string;

  before(async () => {
    envtest = await startEnvtest();
    admin = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'chart-install-test' });
    directory = await mkdtemp(join(tmpdir(), 'slipstream-chart-'));
    for (const name of [NAMESPACE, 'team-a', 'team-b', 'dragonfly-system']) {
      await admin.raw('POST', '/api/v1/namespaces', { body: { metadata: { name } } });
    }
    await release('install', RELEASE, CHART, '--values', VALUES.full);
  });
  after(async () => {
    await admin?.close();
    await envtest?.stop();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  async function release(...args: string[]): Promise<string> {
    return helm(...args, '--namespace', NAMESPACE, '--kubeconfig', envtest.kubeconfig);
  }

  /** Whether RBAC allows the operator's ServiceAccount something. */
  async function may([verb, resource, namespace, name]: Right): Promise<boolean> {
    const [path = '', subresource] = resource.split('/');
    const [plural, ...group] = path.split('.');
    const resourceAttributes = { verb, resource: plural, group: group.join('.'), subresource, namespace, name };
    const body = { spec: { user: ACCOUNT, groups: ['system:authenticated'], resourceAttributes } };
    const answer = await admin.raw('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', { body });
    return z.object({ status: z.object({ allowed: z.boolean() }) }).parse(JSON.parse(answer)).status.allowed;
  }

  async function caBundles(): Promise<(string | undefined)[]> {
    const { webhooks = [] } = await admin.get(mutatingWebhookConfigurations, { name: RELEASE });
    return webhooks.map(({ clientConfig }) => clientConfig.caBundle);
  }

  for (const right of granted) {
    test(`the operator may ${right.filter(Boolean).join(' ')}`, async () => assert.equal(await may(right), true));
  }
  for (const right of denied) {
    test(`the operator may not ${right.filter(Boolean).join(' ')}`, async () => assert.equal(await may(right), false));
  }

  test('with its own token it reads no Secret that it was not given by name', async () => {
    const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/${RELEASE}/token`;
    const answer = await admin.raw('POST', path, { body: { spec: {} } });
    const { status } = z.object({ status: z.object({ token: z.string() }) }).parse(JSON.parse(answer));
    const kubeconfig = load(await readFile(envtest.kubeconfig, 'utf8')) as { users: { user: object }[] };
    for (const user of kubeconfig.users) user.user = { token: status.token };
    const file = join(directory, 'token.kubeconfig');
    await writeFile(file, dump(kubeconfig));
    const operator = loadKubeClient({ kubeconfig: file, userAgent: 'chart-install-test' });
    try {
      await assert.rejects(operator.get(secrets, { namespace: 'team-a', name: 'other' }), isForbidden);
      await assert.rejects(operator.get(secrets, { namespace: 'kube-system', name: 'other' }), isForbidden);
      await assert.rejects(operator.list(secrets, { namespace: NAMESPACE }), isForbidden);
      // One that it was given does not exist here, and it may know that.
      await assert.rejects(operator.get(secrets, { namespace: 'team-a', name: 'regcred' }), isNotFound);
    } finally {
      await operator.close();
    }
  });

  test('these rights are enough: the operator becomes ready and is refused nothing', async () => {
    const log = join(directory, 'operator.log');
    await runOperator(log, 'it wrote the caBundle', async () =>
      (await caBundles()).every((bundle) => bundle !== undefined),
    );
    assert.equal((await caBundles()).length, 1);
    assert.doesNotMatch(await readFile(log, 'utf8'), /forbidden/i);
  });

  test('an upgrade leaves the caBundle as the operator wrote it', async () => {
    const before = await caBundles();
    assert.ok(before.every((bundle) => bundle !== undefined));
    await release('upgrade', RELEASE, CHART, '--values', VALUES.full, '--set', 'webhook.timeoutSeconds=3');
    const { webhooks } = await admin.get(mutatingWebhookConfigurations, { name: RELEASE });
    assert.equal(webhooks?.[0]?.timeoutSeconds, 3);
    assert.deepEqual(await caBundles(), before);
  });

  test('in the mode Policy the rights are enough too, and those over the webhook are gone', async () => {
    await release('upgrade', RELEASE, CHART, '--values', VALUES.policy);
    await assert.rejects(admin.get(mutatingWebhookConfigurations, { name: RELEASE }), /not found/);
    const rights: [Right, boolean][] = [
      [['create', 'rewritetables.slipstream.dev', 'team-a'], true],
      [['patch', 'rewritetables.slipstream.dev', 'team-a', 'rewrites'], true],
      [['patch', 'rewritetables.slipstream.dev', 'team-a', 'other'], false],
      [['update', 'mutatingadmissionpolicies.admissionregistration.k8s.io', undefined, RELEASE], false],
      [['create', 'mutatingadmissionpolicybindings.admissionregistration.k8s.io'], false],
      [['get', 'mutatingwebhookconfigurations.admissionregistration.k8s.io', undefined, RELEASE], false],
      [['get', 'secrets', NAMESPACE, `${RELEASE}-webhook`], false],
    ];
    for (const [right, allowed] of rights) {
      assert.equal(await may(right), allowed, right.join(' '));
    }
    const kubeconfig = await envtest.kubeconfigFor(ACCOUNT);
    const operator = loadKubeClient({ kubeconfig, userAgent: 'chart-install-test' });
    const ref = { namespace: 'team-a', name: 'rewrites' };
    const entry = { image: `registry.test/web@sha256:${'a'.repeat(64)}`, validUntil: '2026-01-01T00:00:00Z' };
    const spec = { images: { 'registry.test/web:1': entry }, ownerKinds: [] };
    await operator.apply(rewriteTables, { metadata: ref, spec }, { fieldManager: 'test' });
    await operator.delete(rewriteTables, ref);
    await operator.close();
    const log = join(directory, 'policy.log');
    await runOperator(log, 'it leads', async () => /became leader/.test(await readFile(log, 'utf8')));
    assert.doesNotMatch(await readFile(log, 'utf8'), /forbidden/i);
  });

  test('uninstalling keeps the kinds and their objects, takes their finalizers by the rights of its hook, and the webhook away', async () => {
    const ref = { namespace: 'team-a', name: 'web' };
    const finalizers = ['slipstream.dev/cleanup'];
    const spec = { source: { image: 'registry.test/web:1' }, deletionPolicy: 'Delete' } as const;
    await admin.create(acceleratedImages, { metadata: { ...ref, finalizers }, spec });
    await Promise.all([release('uninstall', RELEASE), runJobHook(envtest, admin, NAMESPACE)]);
    assert.equal((await admin.get(acceleratedImages, ref)).metadata.finalizers, undefined);
    await admin.raw('GET', '/apis/slipstream.dev/v1alpha1/acceleratedimages');
    await assert.rejects(admin.get(mutatingWebhookConfigurations, { name: RELEASE }), /not found/);
  });

  /** Runs the operator as the chart would, until it is ready and did what it is run for. */
  async function runOperator(log: string, what: string, done: () => Promise<boolean>): Promise<void> {
    const [webhookPort = 0, healthPort = 0, notificationsPort = 0] = await freePorts(3);
    const args = await operatorArgs(webhookPort, healthPort, notificationsPort);
    const operator = await startProcess(process.execPath, args, log);
    try {
      await until('the operator is ready', async () => {
        await operator.assertRunning();
        return (await fetch(`http://127.0.0.1:${healthPort}/readyz`)).ok;
      });
      await until(what, done);
    } finally {
      await operator.stop();
    }
  }

  /** The arguments of the Deployment, with what differs outside of a Pod: ports, identity and kubeconfig. */
  async function operatorArgs(webhookPort: number, healthPort: number, notificationsPort: number): Promise<string[]> {
    const deployment = await admin.raw('GET', `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/${RELEASE}`);
    const { spec } = z
      .object({
        spec: z.object({
          template: z.object({ spec: z.object({ containers: z.array(z.object({ args: z.array(z.string()) })) }) }),
        }),
      })
      .parse(JSON.parse(deployment));
    const configMap = await admin.raw('GET', `/api/v1/namespaces/${NAMESPACE}/configmaps/${RELEASE}`);
    const { data } = z.object({ data: z.object({ 'config.yaml': z.string() }) }).parse(JSON.parse(configMap));
    const config = join(directory, 'config.yaml');
    await writeFile(config, data['config.yaml']);
    const kept = (spec.template.spec.containers[0]?.args ?? []).filter((arg) => !/^--(config|\w+-port)=/.test(arg));
    return [
      MAIN,
      ...kept,
      `--config=${config}`,
      `--webhook-port=${webhookPort}`,
      `--health-port=${healthPort}`,
      `--notifications-port=${notificationsPort}`,
      `--namespace=${NAMESPACE}`,
      '--identity=test',
      `--kubeconfig=${await envtest.kubeconfigFor(ACCOUNT)}`,
    ];
  }
});
