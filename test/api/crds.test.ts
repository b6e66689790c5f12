import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { kinds } from '../../hack/generate/kinds.ts';
import type { Structural } from '../../hack/generate/structural.ts';
import { toolPath } from '../../hack/tools/locate.ts';
import { type KubeClient, loadKubeClient } from '../../src/kube/client.ts';
import { KubeError } from '../../src/kube/errors.ts';
import {
  acceleratedImages,
  apiVersionOf,
  collectionPath,
  prefetchPolicies,
  type Resource,
} from '../../src/kube/resources.ts';
import type { KubeObject } from '../../src/runtime/object.ts';
import { type Envtest, startEnvtest } from '../envtest/envtest.ts';
import { merge } from '../support/merge.ts';
import {
  acceleratedImageRules,
  acceleratedImageSpec,
  prefetchPolicyRules,
  prefetchPolicySpec,
  type SpecPatch,
} from './crd-rules.ts';

const NAMESPACE = 'default';

const files = kinds.map(({ plural }) =>
  fileURLToPath(new URL(`../../crds/slipstream.dev_${plural}.yaml`, import.meta.url)),
);

const tables = [
  { resource: acceleratedImages as Resource<KubeObject>, spec: acceleratedImageSpec, rules: acceleratedImageRules },
  { resource: prefetchPolicies as Resource<KubeObject>, spec: prefetchPolicySpec, rules: prefetchPolicyRules },
];

describe('the CRDs on a real API server', () => {
  let envtest: Envtest;
  let client: KubeClient;

  before(async () => {
    envtest = await startEnvtest({ crds: files });
    client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'crds-test' });
    for (const { resource, spec } of tables) await create(resource, 'base', spec, false);
  });
  after(async () => {
    await client?.close();
    await envtest?.stop();
  });

  async function create(resource: Resource<KubeObject>, name: string, spec: SpecPatch, dryRun = true): Promise<void> {
    const body = {
      apiVersion: apiVersionOf(resource),
      kind: resource.kind,
      metadata: { name, namespace: NAMESPACE },
      spec,
    };
    await client.raw('POST', collectionPath(resource, NAMESPACE), { query: dryRun ? { dryRun: 'All' } : {}, body });
  }

  /** Lays a patch over the object `base`, for a try only; returns what it would be. */
  async function update(resource: Resource<KubeObject>, spec: SpecPatch): Promise<string> {
    return client.raw('PATCH', `${collectionPath(resource, NAMESPACE)}/base`, {
      query: { dryRun: 'All' },
      body: { spec },
      contentType: 'application/merge-patch+json',
    });
  }

  async function kubectl(...args: string[]): Promise<string> {
    const all = ['--kubeconfig', envtest.kubeconfig, '--namespace', NAMESPACE, ...args];
    return (await promisify(execFile)(toolPath('kubectl'), all)).stdout;
  }

  for (const { resource, spec, rules } of tables) {
    describe(resource.kind, () => {
      for (const rule of rules) {
        test(`${rule.name}, at creation and later`, async () => {
          const refusal = (error: unknown): boolean => {
            assert.ok(error instanceof KubeError && error.code === 422, String(error));
            assert.equal(refusalOf(error.message), rule.message);
            return true;
          };
          await assert.rejects(create(resource, 'new', patched(spec, rule.refused)), refusal);
          await assert.rejects(update(resource, rule.refused), refusal);
          await create(resource, 'new', patched(spec, rule.accepted));
          await update(resource, rule.accepted);
        });
      }
    });
  }

  test('every CEL rule stands in the tables above', () => {
    const tested = tables.flatMap(({ rules }) => rules.map(({ message }) => message));
    for (const { spec, kind } of kinds) {
      for (const { path, schema } of walk(spec, 'spec')) {
        for (const { message } of schema['x-kubernetes-validations'] ?? []) {
          assert.ok(
            tested.some((text) => text.startsWith(`${path}: `.replace('[]', '[0]')) && text.endsWith(`: ${message}`)),
            `${kind}: no test of ${path}: ${message}`,
          );
        }
      }
    }
  });

  test('a spec is required', async () => {
    for (const { resource } of tables) {
      const body = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { name: 'new' } };
      await assert.rejects(client.raw('POST', collectionPath(resource, NAMESPACE), { body }), /spec: Required value/);
    }
  });

  test('what is left out is filled in with the defaults', async () => {
    const image = await client.get(acceleratedImages, { namespace: NAMESPACE, name: 'base' });
    assert.deepEqual(image.spec, {
      source: { image: 'registry.test/web:1', interval: '5m' },
      target: { tagSuffix: '-nydus' },
      conversion: { mode: 'Convert', format: 'RafsV6', compressor: 'zstd', backoffLimit: 3, timeout: '1h' },
      rewrite: { policy: 'WhenReady' },
      history: { keep: 3 },
      deletionPolicy: 'Retain',
      suspend: false,
    });
    const policy = await client.get(prefetchPolicies, { namespace: NAMESPACE, name: 'base' });
    assert.deepEqual(policy.spec, {
      horizontalPodAutoscalerRef: { name: 'web' },
      triggers: { autoscaler: { threshold: '0.85', horizon: '60s' }, newVersion: false, newNode: false },
      warm: { provider: 'default', content: 'Everything', timeout: '5m' },
      limits: { maxBytes: '20Gi', cooldown: '5m' },
      mode: 'Warm',
      suspend: false,
    });
  });

  test('fields that the schema does not know are dropped', async () => {
    const answer = await update(acceleratedImages, { tpyo: true });
    assert.ok(!answer.includes('tpyo'));
  });

  test('the status is written through its subresource only', async () => {
    const body = { status: { observedGeneration: 7 } };
    const contentType = 'application/merge-patch+json';
    const ref = { namespace: NAMESPACE, name: 'base' };
    for (const resource of [acceleratedImages, prefetchPolicies] as Resource<KubeObject & { status?: object }>[]) {
      const ignored = await client.patch(resource, ref, body, contentType);
      assert.equal(ignored.status, undefined);
      const written = await client.patch(resource, ref, { ...body, spec: { suspend: true } }, contentType, {
        subresource: 'status',
      });
      assert.deepEqual(written.status, { observedGeneration: 7 });
      assert.equal(written.metadata.generation, 1, 'a write of the status leaves the spec as it was');
    }
  });

  test('conditions of two managers stand side by side, keyed by their type', async () => {
    const condition = {
      status: 'True' as const,
      reason: 'Ready',
      message: '',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
    for (const type of ['Ready', 'Reconciling']) {
      await client.apply(
        acceleratedImages,
        {
          metadata: { name: 'base', namespace: NAMESPACE },
          status: { conditions: [{ ...condition, type }] },
        },
        { fieldManager: type, subresource: 'status' },
      );
    }
    const image = await client.get(acceleratedImages, { namespace: NAMESPACE, name: 'base' });
    assert.deepEqual(image.status?.conditions?.map(({ type }) => type).toSorted(), ['Ready', 'Reconciling']);
  });

  test('short names and the category work in kubectl, and the columns are those of the docs', async () => {
    assert.match(await kubectl('get', 'ai'), /^NAME +SOURCE +READY +REASON +SIZE +NYDUS +DEDUP +TOOK +AGE\nbase /);
    assert.match(
      await kubectl('get', 'ai', '--output=wide'),
      /^NAME +SOURCE +READY +REASON +SIZE +NYDUS +DEDUP +TOOK +COPIES +EFFICIENCY +DIGEST +PROGRESS +MESSAGE +AGE\n/,
    );
    assert.match(await kubectl('get', 'pfp'), /^NAME +TARGET +REPLICAS +WARM +TRIGGER +LEAD +VERIFIED +AGE\nbase /);
    assert.match(await kubectl('get', 'slipstream'), /acceleratedimage\.slipstream\.dev\/base[\s\S]*prefetchpolicy/);
  });

  test('kubectl explain describes the kinds and every field of them', async () => {
    assert.match(await kubectl('explain', 'ai'), /keeps a Nydus version of a container image/);
    assert.match(await kubectl('explain', 'pfp.spec.limits.cooldown'), /Shortest time between two warms/);
    for (const { kind, spec, status } of kinds) {
      for (const root of [spec, status]) {
        const bare = [...walk(root, root === spec ? 'spec' : 'status')].filter(
          ({ path, schema }) => !path.endsWith('[]') && (schema.description ?? '') === '',
        );
        assert.deepEqual(
          bare.map(({ path }) => `${kind}.${path}`),
          [],
          'fields without a description',
        );
      }
    }
  });
});

/** Every node of a schema with its path; the items of a list end with `[]`. */
function* walk(schema: Structural, path: string): Generator<{ path: string; schema: Structural }> {
  yield { path, schema };
  for (const [name, child] of Object.entries(schema.properties ?? {})) yield* walk(child, `${path}.${name}`);
  if (schema.items !== undefined) yield* walk(schema.items, `${path}[]`);
}

/** What a message says after "is invalid: ", without the note that CEL rules wait for the schema's. */
function refusalOf(message: string): string | undefined {
  return message
    .split(' is invalid: ')[1]
    ?.replace(/^\[(.*)\]$/, '$1')
    .replace(/, <nil>: Invalid value: null: some validation rules were not checked .*$/, '');
}

/** The spec that a merge patch makes of another: null takes a field away (RFC 7386). */
function patched(spec: SpecPatch, patch: SpecPatch): SpecPatch {
  const text = JSON.stringify(merge(spec, patch), (_key, value: unknown) => value ?? undefined);
  return JSON.parse(text) as SpecPatch;
}
