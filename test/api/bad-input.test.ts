import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Condition } from '../../src/api/v1alpha1/meta.ts';
import {
  acceleratedImages,
  deployments,
  horizontalPodAutoscalers,
  jobs,
  prefetchPolicies,
  secrets,
  type Resource,
} from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { startFaultyRegistry, type FaultyRegistry } from '../doubles/faulty-registry.ts';
import { freePorts } from '../envtest/ports.ts';
import { startOperator, type RunningOperator } from '../support/operator.ts';
import { until } from '../support/until.ts';

const namespace = 'team-a';

let registry: FaultyRegistry;
let guarded: FaultyRegistry;
let hung: FaultyRegistry;
let down: string;
let operator: RunningOperator;

before(async () => {
  registry = await startFaultyRegistry();
  guarded = await startFaultyRegistry();
  guarded.addImage('team/app', '1');
  guarded.requireAuthorization({ scheme: 'Basic', users: { ann: 'secret' } });
  hung = await startFaultyRegistry();
  hung.fail({ fault: 'hang' });
  down = `127.0.0.1:${(await freePorts(1))[0]}`;
  operator = await startOperator({
    registries: [registry.host, guarded.host, hung.host, down].map((host) => ({ host, plainHTTP: true })),
    providers: [{ name: 'default', type: 'seedPeers', endpoints: [`http://${down}`] }],
  });
  // Its time runs out while the others are looked at, which do not wait for it.
  await accelerate('hung', `${hung.host}/team/app:1`);
});

after(async () => {
  await operator?.[Symbol.asyncDispose]();
  await registry?.close();
  await guarded?.close();
  await hung?.close();
});

interface WithConditions extends KubeObject {
  status?: { conditions?: Condition[] | undefined } | undefined;
}

async function conditionOf(
  resource: Resource<WithConditions>,
  name: string,
  type: string,
): Promise<Condition | undefined> {
  const object = await operator.client.get(resource, { namespace, name });
  return object.status?.conditions?.find((condition) => condition.type === type);
}

/** Waits until Ready=False carries the reason, and gives its message. */
async function readyReason(resource: Resource<WithConditions>, name: string, reason: string): Promise<string> {
  let message = '';
  await until(`${name} says ${reason}`, async () => {
    const ready = await conditionOf(resource, name, 'Ready');
    message = ready?.message ?? '';
    assert.equal(`${ready?.status} ${ready?.reason}`, `False ${reason}`, message);
    return true;
  });
  return message;
}

async function accelerate(name: string, image: string, source: object = {}, spec: object = {}): Promise<void> {
  await operator.client.create(acceleratedImages, {
    metadata: { namespace, name },
    spec: { source: { image, ...source }, ...spec },
  });
}

test('an image that does not exist is SourceNotFound, and the message names it', async () => {
  await accelerate('missing', `${registry.host}/team/missing:1`);
  assert.match(await readyReason(acceleratedImages, 'missing', 'SourceNotFound'), /team\/missing:1/);
});

test('refused credentials are CredentialsRejected, never "not found"', async () => {
  await accelerate('refused', `${guarded.host}/team/app:1`);
  await readyReason(acceleratedImages, 'refused', 'CredentialsRejected');
});

test('a pull Secret that does not exist is CredentialsMissing', async () => {
  await accelerate('no-secret', `${registry.host}/team/app:1`, { pullSecretRef: { name: 'nowhere' } });
  assert.match(await readyReason(acceleratedImages, 'no-secret', 'CredentialsMissing'), /team-a\/nowhere/);
});

const MALFORMED: readonly { name: string; secret: object; message: RegExp }[] = [
  {
    name: 'of another type',
    secret: { data: { password: 'aHVudGVyMg==' } },
    message: /has no key \.dockerconfigjson; it must be of type kubernetes\.io\/dockerconfigjson/,
  },
  {
    name: 'of the old type',
    secret: { type: 'kubernetes.io/dockercfg', stringData: { '.dockercfg': '{}' } },
    message: /old type kubernetes\.io\/dockercfg/,
  },
  {
    name: 'that is not JSON',
    secret: { stringData: { '.dockerconfigjson': 'hunter2' } },
    message: /no docker config \(not JSON\)/,
  },
  {
    name: 'whose entry for the registry is none',
    secret: { stringData: { '.dockerconfigjson': '{"auths":{"REGISTRY":{"auth":"hunter2"}}}' } },
    message: /is not the base64 of "user:password"/,
  },
  {
    name: 'made on a laptop that keeps its credentials elsewhere',
    secret: { stringData: { '.dockerconfigjson': '{"auths":{"REGISTRY":{}},"credsStore":"desktop"}' } },
    message: /credential helper "desktop"/,
  },
];
for (const [i, { name, secret, message }] of MALFORMED.entries()) {
  test(`a pull Secret ${name} is CredentialsMalformed, and says why without showing it`, async () => {
    const written = JSON.parse(JSON.stringify(secret).replaceAll('REGISTRY', registry.host)) as object;
    await operator.client.create(secrets, { metadata: { namespace, name: `malformed-${i}` }, ...written });
    await accelerate(`malformed-${i}`, `${registry.host}/team/app:1`, { pullSecretRef: { name: `malformed-${i}` } });
    const said = await readyReason(acceleratedImages, `malformed-${i}`, 'CredentialsMalformed');
    assert.match(said, message);
    assert.doesNotMatch(said, /hunter2|aHVudGVyMg/);
  });
}

test('credentials that were refused are taken up again once their Secret is rotated', async () => {
  const config = (password: string): object => ({
    '.dockerconfigjson': JSON.stringify({ auths: { [guarded.host]: { username: 'ann', password } } }),
  });
  const ref = { namespace, name: 'rotated' };
  const type = 'kubernetes.io/dockerconfigjson';
  await operator.client.create(secrets, { metadata: ref, type, stringData: config('hunter2') });
  await accelerate('rotated', `${guarded.host}/team/app:1`, { pullSecretRef: { name: 'rotated' }, interval: '10s' });
  assert.doesNotMatch(await readyReason(acceleratedImages, 'rotated', 'CredentialsRejected'), /hunter2/);
  await operator.client.patch(secrets, ref, { stringData: config('secret') }, 'application/merge-patch+json');
  await readyReason(acceleratedImages, 'rotated', 'Converting');
});

test('a registry inside the cluster that no admin listed is InvalidSpec, and says what to do', async () => {
  await accelerate('inside', 'registry.kube-system.svc.cluster.local:5000/team/app:1');
  const message = await readyReason(acceleratedImages, 'inside', 'InvalidSpec');
  assert.match(message, /list it under registries/);
});

test('a registry that is down is RegistryUnreachable', async () => {
  await accelerate('down', `${down}/team/app:1`);
  await readyReason(acceleratedImages, 'down', 'RegistryUnreachable');
});

test('a 429 is RateLimited, and the registry is left alone until it said', async () => {
  registry.fail({ path: /\/team\/limited\//, fault: { answer: 429, headers: { 'retry-after': '3600' } } });
  await accelerate('limited', `${registry.host}/team/limited:1`);
  await readyReason(acceleratedImages, 'limited', 'RateLimited');
  const asked = registry.requests.filter(({ path }) => path.includes('/team/limited/')).length;
  await accelerate('after-limited', `${registry.host}/team/after-limited:1`);
  await readyReason(acceleratedImages, 'after-limited', 'SourceNotFound');
  assert.equal(registry.requests.filter(({ path }) => path.includes('/team/limited/')).length, asked);
});

test('a chart is SourceNotAnImage and Stalled: only a person can mend that', async () => {
  const config = Buffer.from('{"name":"chart"}');
  const digest = registry.content.addBlob('team/chart', config);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: 'application/vnd.cncf.helm.config.v1+json', digest, size: config.length },
    layers: [],
  };
  registry.content.addManifest('team/chart', '1', Buffer.from(JSON.stringify(manifest)), mediaType);
  await accelerate('chart', `${registry.host}/team/chart:1`);
  assert.match(await readyReason(acceleratedImages, 'chart', 'SourceNotAnImage'), /helm/);
  assert.equal((await conditionOf(acceleratedImages, 'chart', 'Stalled'))?.status, 'True');
});

test('a source without the platform of the nodes is PlatformMissing and lists what it offers', async () => {
  registry.addImage('team/foreign', '1', { platforms: ['linux/s390x', 'linux/ppc64le'] });
  await accelerate('foreign', `${registry.host}/team/foreign:1`);
  assert.match(await readyReason(acceleratedImages, 'foreign', 'PlatformMissing'), /linux\/s390x, linux\/ppc64le/);
});

test('a reference that is none is InvalidSpec', async () => {
  await accelerate('malformed', 'registry.test/UPPER/case:1');
  assert.match(await readyReason(acceleratedImages, 'malformed', 'InvalidSpec'), /UPPER/);
});

test('after the fault is mended, the object goes on by itself', async () => {
  registry.addImage('team/healed', '1');
  registry.fail({ path: /\/team\/healed\//, fault: { answer: 503 }, times: 6 });
  await accelerate('healed', `${registry.host}/team/healed:1`);
  await readyReason(acceleratedImages, 'healed', 'Converting');
});

test('two objects that ask for the same conversion share one Job', async () => {
  registry.addImage('team/shared', '1');
  await accelerate('one', `${registry.host}/team/shared:1`);
  await accelerate('two', `${registry.host}/team/shared:1`);
  await readyReason(acceleratedImages, 'one', 'Converting');
  await readyReason(acceleratedImages, 'two', 'Converting');
  const { items } = await operator.client.list(jobs, { namespace });
  const shared = items.filter((job) => JSON.stringify(job.spec).includes('team/shared'));
  assert.equal(shared.length, 1);
});

test('a policy for an autoscaler that does not exist says AutoscalerNotFound', async () => {
  await operator.client.create(prefetchPolicies, {
    metadata: { namespace, name: 'orphan' },
    spec: { horizontalPodAutoscalerRef: { name: 'nowhere' } },
  });
  assert.match(await readyReason(prefetchPolicies, 'orphan', 'AutoscalerNotFound'), /team-a\/nowhere/);
});

async function scalingOut(name: string, image: string): Promise<void> {
  const labels = { app: name };
  await operator.client.create(deployments, {
    metadata: { namespace, name },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image }] } },
    },
  });
  await operator.client.create(horizontalPodAutoscalers, {
    metadata: { namespace, name },
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, minReplicas: 1, maxReplicas: 5 },
  });
  const status = { status: { currentReplicas: 1, desiredReplicas: 3, conditions: [] } };
  const merge = 'application/merge-patch+json';
  await operator.client.patch(horizontalPodAutoscalers, { namespace, name }, status, merge, { subresource: 'status' });
}

test('Dragonfly being down is SeedUnreachable, and the decision is recorded all the same', async () => {
  registry.addImage('team/busy', '1');
  await scalingOut('busy', `${registry.host}/team/busy:1`);
  await operator.client.create(prefetchPolicies, {
    metadata: { namespace, name: 'busy' },
    spec: { horizontalPodAutoscalerRef: { name: 'busy' } },
  });
  await readyReason(prefetchPolicies, 'busy', 'SeedUnreachable');
  const { status } = await operator.client.get(prefetchPolicies, { namespace, name: 'busy' });
  assert.equal(status?.decision?.expectedReplicas, 3);
});

test('a policy in DryRun decides and says what it would warm, and asks no seed peer', async () => {
  registry.addImage('team/dry', '1');
  await scalingOut('dry', `${registry.host}/team/dry:1`);
  await operator.client.create(prefetchPolicies, {
    metadata: { namespace, name: 'dry' },
    spec: { horizontalPodAutoscalerRef: { name: 'dry' }, mode: 'DryRun' } as never,
  });
  await until('the decision is recorded', async () => {
    const { status } = await operator.client.get(prefetchPolicies, { namespace, name: 'dry' });
    return status?.decision !== undefined && status.images?.[0]?.state === 'Pending';
  });
  assert.equal((await conditionOf(prefetchPolicies, 'dry', 'Ready'))?.status, 'True');
});

test('a policy that names no provider of the configuration says ProviderUnknown and which there are', async () => {
  await operator.client.create(prefetchPolicies, {
    metadata: { namespace, name: 'unknown-provider' },
    spec: { horizontalPodAutoscalerRef: { name: 'busy' }, warm: { provider: 'other' } },
  });
  assert.match(await readyReason(prefetchPolicies, 'unknown-provider', 'ProviderUnknown'), /default/);
});

test('a registry that takes requests and never answers is RegistryUnreachable too', async () => {
  assert.match(await readyReason(acceleratedImages, 'hung', 'RegistryUnreachable'), /did not answer in time/);
});
