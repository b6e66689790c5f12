import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { load } from 'js-yaml';
import { z } from 'zod';
import { toolPath } from '../../hack/tools/locate.ts';
import { Config } from '../../src/config.ts';
import { type KubeClient, loadKubeClient } from '../../src/kube/client.ts';
import { type Envtest, startEnvtest } from '../envtest/envtest.ts';
import { loopbackCertificate } from '../support/loopback-certificate.ts';
import { CHART, helm, NAMESPACE, objects, only, type Rendered, template, VALUES } from './chart.ts';

const ConfigMap = z.object({ data: z.object({ 'config.yaml': z.string() }) });
const Template = z.looseObject({ spec: z.looseObject({ template: z.looseObject({ spec: z.looseObject({}) }) }) });

async function config(values: string): Promise<Config> {
  const { data } = ConfigMap.parse(only(objects(await template(values)), 'ConfigMap'));
  return Config.parse(load(data['config.yaml']));
}

/** How nydusd pulls through the peer of its node. */
const NYDUSD_PROXY = {
  url: 'http://127.0.0.1:4001',
  ping_url: 'http://127.0.0.1:4003/healthy',
  fallback: true,
  check_interval: 5,
  use_http: true,
};

/** Who has a role that is not the operator's, by the end of its name, as docs/security.md calls them. */
const OTHERS = { '-release': 'releaser, ', '-uninstall': 'uninstallation, ' };

/** Whether a ClusterRole is part of the cluster's roles for people, and so none of the operator's. */
function isForPeople({ metadata }: Rendered): boolean {
  return Object.keys(metadata.labels ?? {}).some((label) => label.includes('/aggregate-to-'));
}

/** Helm runs hooks of one event by their weights, one after another. */
function weightOf({ metadata }: Rendered): number {
  return Number(metadata.annotations?.['helm.sh/hook-weight'] ?? 0);
}

describe('the chart, rendered', () => {
  for (const [name, values] of Object.entries(VALUES)) {
    test(`helm lint has nothing to say about the ${name} values`, async () => {
      assert.match(await helm('lint', '--strict', CHART, '--values', values), /0 chart\(s\) failed/);
    });
  }

  test("the operator reads the chart's configuration, and the chart's defaults are its own", async () => {
    const image = 'registry.test/slipstream:0.1.0';
    assert.deepEqual(await config(VALUES.small), Config.parse({ conversion: { image } }));
  });

  test('every setting arrives in the configuration', async () => {
    const { registries, providers, conversion, rewriting, webhook, notifications, trust } = await config(VALUES.full);
    assert.deepEqual(registries[0], {
      host: 'registry.test:5000',
      plainHTTP: true,
      credentialsSecret: 'registry-reader',
      namespaces: ['*'],
    });
    assert.deepEqual(
      providers.map(({ name, type }) => [name, type]),
      [
        ['default', 'seedPeers'],
        ['fixed', 'seedPeers'],
        ['managed', 'manager'],
      ],
    );
    const { maxConcurrentBlobs, maxConcurrentBlobsPerRegistry, maxSeedBytes } = providers[1] ?? {};
    assert.deepEqual([maxConcurrentBlobs, maxConcurrentBlobsPerRegistry, maxSeedBytes], [8, 4, 80 * 1024 ** 3]);
    assert.equal(conversion.image, `registry.test/slipstream@sha256:${'0'.repeat(64)}`);
    assert.equal(conversion.maxConcurrent, 8);
    assert.deepEqual(rewriting, { extraOwnerKinds: ['Rollout.argoproj.io'], excludedOwnerKinds: ['Job.batch'] });
    assert.deepEqual(webhook, { clientCA: loopbackCertificate.cert, clientNames: ['kube-apiserver'] });
    assert.deepEqual(notifications, { enabled: true, tokenSecret: 'notification-tokens' });
    assert.deepEqual(trust.sources[0]?.images, ['registry.test:5000/shop/**']);
    assert.deepEqual(trust.signing, { secret: 'slipstream-signing' });
  });

  test('every value is explained in values.yaml', async () => {
    const lines = (await readFile(join(CHART, 'values.yaml'), 'utf8')).split('\n');
    const bare = lines.filter((line, index) => {
      const isGroup = /^[a-z][A-Za-z]*:$/.test(line);
      const nested = /^ +[a-z][A-Za-z]*:/.test(line);
      const top = /^[a-z][A-Za-z]*: ./.test(line);
      const before = lines[index - 1] ?? '';
      // Of neighbours without a comment between them, such as nodeSelector and tolerations, the first one's is for all.
      return !isGroup && (nested || top) && !/^ *(#|[a-z][A-Za-z]*:)/.test(before);
    });
    assert.deepEqual(bare, []);
  });

  const refused: [why: string, set: string, complaint: RegExp][] = [
    ['no image', 'image.repository=', /image\.repository is required/],
    ['an unknown mode of admission', 'admission.mode=Both', /value must be one of 'Webhook', 'Policy'/],
    ['a webhook over kube-system', 'webhook.excludedNamespaces={monitoring}', /must hold kube-system/],
    ['a webhook over every namespace', 'webhook.excludedNamespaces=null', /must hold kube-system/],
    ['a webhook that fails Pods', 'webhook.failurePolicy=Fail', /additional properties 'failurePolicy' not allowed/],
    ['a webhook that holds Pods up', 'webhook.timeoutSeconds=30', /maximum: got 30, want 5/],
    ['notifications without a token', 'notifications.enabled=true', /tokenSecret': minLength/],
    ['a value that is spelt wrong', 'replica=3', /additional properties 'replica' not allowed/],
    ['a grant of every Secret', 'secretGrants[0].namespace=team-a', /missing property 'names'/],
    ['a grant by pattern', 'secretGrants[0].namespace=team-a,secretGrants[0].names={*}', /does not match pattern/],
    ['a provider without seed peers', 'providers[0].name=default,providers[0].type=seedPeers', /missing propert/],
  ];
  for (const [why, set, complaint] of refused) {
    test(`${why} is refused`, async () => {
      await assert.rejects(template(VALUES.small, set), complaint);
    });
  }

  test('files for the nodes are rendered on wish: through the Dragonfly peer there, from the registry while it is away', async () => {
    const name = 'slipstream-nodes';
    const rendered = objects(await template(VALUES.full, 'nodes.dragonfly.render=true'));
    const found = rendered.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name);
    const { data } = z.object({ data: z.record(z.string(), z.string()) }).parse(found);
    assert.deepEqual(Object.keys(data).toSorted(), [
      'dfdaemon.yaml',
      'docker.io.hosts.toml',
      'nydusd-config.json',
      'registry.test_5000_.hosts.toml',
    ]);
    assert.equal(
      data['registry.test_5000_.hosts.toml'],
      `server = "http://registry.test:5000"

[host."http://127.0.0.1:4001"]
  capabilities = ["pull", "resolve"]
  [host."http://127.0.0.1:4001".header]
    X-Dragonfly-Registry = "http://registry.test:5000"
`,
    );
    assert.match(data['docker.io.hosts.toml'] ?? '', /^server = "https:\/\/registry-1\.docker\.io"\n/);
    assert.deepEqual(JSON.parse(data['nydusd-config.json'] ?? ''), {
      device: { backend: { type: 'registry', config: { proxy: NYDUSD_PROXY } } },
    });
    assert.deepEqual(load(data['dfdaemon.yaml'] ?? ''), {
      proxy: {
        registryMirror: { enableTaskIDBasedBlobDigest: true },
        rules: [
          { regex: '^http://registry[.]test:5000/v2/.*blobs/sha256.*', schedulingPolicy: 'always' },
          { regex: 'blobs/sha256.*', useTLS: true, schedulingPolicy: 'always' },
        ],
      },
    });
    assert.ok(!objects(await template(VALUES.full)).some(({ metadata }) => metadata.name === name));
  });

  test('whatever the values say, the own namespace and kube-system are excluded and opt-outs respected', async () => {
    const { webhooks } = z
      .object({ webhooks: z.array(z.looseObject({ failurePolicy: z.string(), namespaceSelector: z.unknown() })) })
      .parse(only(objects(await template(VALUES.full)), 'MutatingWebhookConfiguration'));
    assert.equal(webhooks[0]?.failurePolicy, 'Ignore');
    assert.deepEqual(webhooks[0]?.namespaceSelector, {
      matchExpressions: [
        { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'monitoring', NAMESPACE] },
        { key: 'slipstream.dev/rewrite', operator: 'NotIn', values: ['disabled'] },
      ],
    });
  });

  test('in the mode Policy nothing of the webhook is left: no configuration, port or right', async () => {
    const manifest = await template(VALUES.policy);
    const kindsOf = (text: string): Set<string> => new Set(objects(text).map(({ kind }) => kind));
    assert.ok(kindsOf(manifest).has('MutatingAdmissionPolicy'));
    assert.ok(!kindsOf(manifest).has('MutatingWebhookConfiguration'));
    assert.ok(!kindsOf(await template(VALUES.small)).has('MutatingAdmissionPolicy'));
    assert.doesNotMatch(manifest, /name: webhook|port: webhook|mutatingwebhookconfigurations|\[secrets\]/);
  });

  test('notifications have a Service, a port and the right to their Secret, and nothing of that is there unless they are enabled', async () => {
    const name = 'slipstream-notifications';
    const manifest = await template(VALUES.full);
    const service = objects(manifest).find(({ kind, metadata }) => kind === 'Service' && metadata.name === name);
    assert.ok(service !== undefined);
    assert.deepEqual((service['spec'] as { ports: unknown }).ports, [
      { name: 'http', port: 80, targetPort: 'notifications' },
    ]);
    const { spec } = Template.parse(only(objects(manifest), 'Deployment')).spec.template;
    assert.match(JSON.stringify(spec), /"--notifications-port=9292".*{"name":"notifications","containerPort":9292}/);
    assert.match(
      JSON.stringify(only(objects(manifest), 'NetworkPolicy')),
      /"port":"notifications"}],"from":\[{"podSelector"/,
    );
    for (const values of [VALUES.small, VALUES.policy, VALUES.hold]) {
      assert.doesNotMatch(await template(values), /-notifications|name: notifications|port: notifications|9292/);
    }
  });

  test('nothing of holding is there unless it is enabled, and then nobody has a right that it does not need', async () => {
    for (const values of [VALUES.small, VALUES.full, VALUES.policy]) {
      const manifest = await template(values, ...(values === VALUES.policy ? ['hold.enabled=true'] : []));
      assert.deepEqual(
        objects(manifest).filter(({ metadata }) => /-(release|release-stop|gate)$/.test(metadata.name)),
        [],
      );
      for (const role of objects(manifest).filter(({ kind }) => kind === 'ClusterRole')) {
        assert.ok(!JSON.stringify(role['rules']).includes('"pods"],"verbs":["patch"]'));
      }
    }
    const rendered = objects(await template(VALUES.hold));
    const kinds = rendered.filter(({ metadata }) => metadata.name === 'slipstream-release').map(({ kind }) => kind);
    assert.deepEqual(kinds.toSorted(), [
      'ClusterRole',
      'ClusterRoleBinding',
      'Deployment',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'Role',
      'RoleBinding',
      'ServiceAccount',
    ]);
    assert.equal((await config(VALUES.hold)).hold.enabled, true);
  });

  test("the releaser's Pods are not those of the operator, whose Service must not find them", async () => {
    const Labelled = z.looseObject({
      spec: z.looseObject({
        selector: z.looseObject({ matchLabels: z.record(z.string(), z.string()) }),
        template: z.looseObject({ metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }) }),
      }),
    });
    const deployments = objects(await template(VALUES.hold)).filter(({ kind }) => kind === 'Deployment');
    const [operator, releaser] = deployments.map((each) => Labelled.parse(each).spec);
    const selected = Object.entries(operator?.selector.matchLabels ?? {});
    assert.ok(selected.some(([key, value]) => releaser?.template.metadata.labels[key] !== value));
  });

  test('an uninstallation lets every Pod go before it takes away who could', async () => {
    const job = objects(await template(VALUES.hold)).find(
      ({ metadata }) => metadata.name === 'slipstream-release-stop',
    );
    assert.equal(job?.metadata.annotations?.['helm.sh/hook'], 'pre-delete');
    const { spec } = Template.parse(job).spec.template;
    assert.match(JSON.stringify(spec), /"release","--lease=slipstream-release","--stop"/);
    assert.match(JSON.stringify(spec), /"serviceAccountName":"slipstream-release"/);
  });

  test('whatever the values say, the last Job of an uninstallation takes the finalizers, by few rights of its own', async () => {
    for (const values of Object.values(VALUES)) {
      const rendered = objects(await template(values));
      const hooks = rendered
        .filter(({ metadata }) => metadata.annotations?.['helm.sh/hook']?.includes('pre-delete'))
        .toSorted((a, b) => weightOf(a) - weightOf(b));
      const last = hooks.pop();
      assert.equal(last?.kind, 'Job');
      assert.ok(hooks.every((hook) => weightOf(hook) < weightOf(last)));
      const { spec } = Template.parse(last).spec.template;
      assert.match(JSON.stringify(spec), /"args":\["unfinalize"\]/);
      assert.match(JSON.stringify(spec), /"serviceAccountName":"slipstream-uninstall"/);
      const own = rendered.filter(({ metadata }) => metadata.name === 'slipstream-uninstall').map(({ kind }) => kind);
      assert.deepEqual(own.toSorted(), [
        'ClusterRole',
        'ClusterRoleBinding',
        'Job',
        'Role',
        'RoleBinding',
        'ServiceAccount',
      ]);
    }
  });

  test('the mode Policy is refused where Kubernetes has no stable MutatingAdmissionPolicies', async () => {
    const old = helm('template', 'x', CHART, '--values', VALUES.policy, '--kube-version', '1.35.4');
    await assert.rejects(old, /admission\.mode Policy needs Kubernetes 1\.36 or later/);
  });

  test('no ClusterRole names Secrets, and no Role reads one that is not named', async () => {
    const Role = z.looseObject({
      rules: z.array(
        z.object({
          resources: z.array(z.string()),
          resourceNames: z.array(z.string()).optional(),
          verbs: z.array(z.string()),
        }),
      ),
    });
    for (const role of objects(await template(VALUES.full)).filter(({ kind }) => kind.endsWith('Role'))) {
      for (const { resources, resourceNames, verbs } of Role.parse(role).rules) {
        assert.ok(!verbs.includes('*') && !resources.includes('*'), role.metadata.name);
        if (!resources.includes('secrets')) continue;
        assert.equal(role.kind, 'Role');
        assert.ok(
          resourceNames !== undefined || verbs.join() === 'create',
          `${role.metadata.namespace}: ${verbs.join()}`,
        );
      }
    }
  });

  test('docs/security.md lists every right of the operator, and no other', async () => {
    const Rules = z.looseObject({ rules: z.array(z.record(z.string(), z.array(z.string()))) });
    const modes = await Promise.all([VALUES.full, VALUES.policy, VALUES.hold].map((values) => template(values)));
    const rights = modes
      .flatMap((manifest) => objects(manifest))
      .filter((role) => role.kind.endsWith('Role') && !isForPeople(role))
      .flatMap((role) => {
        const own = role.metadata.namespace === NAMESPACE ? 'own' : 'named';
        const who = Object.entries(OTHERS).find(([suffix]) => role.metadata.name.endsWith(suffix))?.[1] ?? '';
        const where = `${who}${role.kind === 'ClusterRole' ? 'cluster' : own}`;
        return Rules.parse(role).rules.flatMap(({ apiGroups = [], resources = [], verbs = [] }) =>
          apiGroups.flatMap((group) =>
            resources.map((resource) => {
              const [plural, subresource] = resource.split('/');
              const name = `${plural}${group && `.${group}`}${subresource === undefined ? '' : `/${subresource}`}`;
              return verbs.map((verb) => `${where} ${name} ${verb}`);
            }),
          ),
        );
      })
      .flat();
    const text = await readFile(join(CHART, '../../docs/security.md'), 'utf8');
    const documented = [
      ...text.matchAll(
        /^\| ((?:releaser, |uninstallation, )?(?:cluster|own|named)) \| `(.+?)` \| ([a-z ]+) \| .+ \|$/gm,
      ),
    ].flatMap(([, where, resource, verbs = '']) => verbs.split(' ').map((verb) => `${where} ${resource} ${verb}`));
    assert.deepEqual([...new Set(documented)].toSorted(), [...new Set(rights)].toSorted());
  });

  test('uninstalling keeps the CRDs unless told otherwise', async () => {
    const crds = async (...set: string[]): Promise<(string | undefined)[]> =>
      objects(await template(VALUES.small, ...set))
        .filter(({ kind }) => kind === 'CustomResourceDefinition')
        .map(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy']);
    assert.deepEqual(await crds(), ['keep', 'keep', 'keep']);
    assert.deepEqual(await crds('crds.keep=false'), [undefined, undefined, undefined]);
    assert.deepEqual(await crds('crds.install=false'), []);
  });
});

describe('the chart on a real API server', () => {
  let envtest: Envtest;
  let client: KubeClient;
  let directory: string;

  before(async () => {
    envtest = await startEnvtest();
    client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'chart-test' });
    directory = await mkdtemp(join(tmpdir(), 'slipstream-chart-'));
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    for (const name of [NAMESPACE, 'team-a', 'team-b', 'dragonfly-system']) {
      await client.raw('POST', '/api/v1/namespaces', { body: { metadata: { name, labels } } });
    }
  });
  after(async () => {
    await client?.close();
    await envtest?.stop();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  for (const [name, values] of Object.entries(VALUES)) {
    test(`every object of the ${name} values is accepted as it stands`, async () => {
      const file = join(directory, `${name}.yaml`);
      const manifest = await template(values);
      await writeFile(file, manifest);
      const { stdout } = await promisify(execFile)(toolPath('kubectl'), [
        `--kubeconfig=${envtest.kubeconfig}`,
        'apply',
        '--server-side',
        '--dry-run=server',
        '--validate=strict',
        `--filename=${file}`,
      ]);
      assert.equal(stdout.trim().split('\n').length, objects(manifest).length);
    });
  }

  test('every Pod of the chart meets the Pod Security level `restricted`', async () => {
    const rendered: Rendered[] = objects(await template(VALUES.hold));
    for (const workload of rendered.filter(({ kind }) => kind === 'Deployment' || kind === 'Job')) {
      const { template: own } = Template.parse(workload).spec;
      const body = { ...own, metadata: { name: 'own' } };
      await client.raw('POST', `/api/v1/namespaces/${NAMESPACE}/pods`, { query: { dryRun: 'All' }, body });
    }
    const full: Rendered[] = objects(await template(VALUES.full));
    const { template: pod } = Template.parse(only(full, 'Deployment')).spec;
    const body = { ...pod, metadata: { name: 'operator' } };
    await client.raw('POST', `/api/v1/namespaces/${NAMESPACE}/pods`, { query: { dryRun: 'All' }, body });
    const broken = { ...body, spec: { ...body.spec, securityContext: {} } };
    const refusal = client.raw('POST', `/api/v1/namespaces/${NAMESPACE}/pods`, {
      query: { dryRun: 'All' },
      body: broken,
    });
    await assert.rejects(refusal, /violates PodSecurity "restricted/);
  });
});

test('the chart carries the CRDs and the version of the repository', async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  for (const name of ['acceleratedimages', 'prefetchpolicies', 'rewritetables']) {
    const file = `crds/slipstream.dev_${name}.yaml`;
    assert.equal(await readFile(join(CHART, 'files', file), 'utf8'), await readFile(join(root, file), 'utf8'));
  }
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const chart = load(await readFile(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string; appVersion: string };
  assert.deepEqual([chart.version, chart.appVersion], [version, version]);
});
