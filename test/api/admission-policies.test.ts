import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { podOf, startAdmission, unregister, type AdmissionCluster } from '../support/admission/cluster.ts';
import { register, registerValidating, validatingWebhookConfigurations } from '../support/admission/configuration.ts';
import { registrationOf, startOtherWebhook, type Verdict } from '../support/admission/other-webhook.ts';
import type { Pod } from '../../src/kube/resources.ts';
import { ARTIFACT_DIGEST, OTHER_DIGEST, SOURCE_DIGEST } from '../support/rewriting.ts';
import { until } from '../support/until.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;

let cluster: AdmissionCluster;

before(async () => {
  cluster = await startAdmission();
  await cluster.addImage('web', SOURCE);
  await cluster.addImage('hub', 'docker.io/library/python:3');
});
after(() => cluster?.[Symbol.asyncDispose]());

function imagesOf({ spec }: Pod): string[] {
  return (spec?.containers ?? []).map(({ image = '' }) => image);
}

/** A policy that refuses Pods whose images do not fit. */
function demand(pattern: RegExp): (pod: Pod) => Verdict {
  return (pod) => {
    const wrong = imagesOf(pod).find((image) => !pattern.test(image));
    return wrong === undefined ? { patch: [] } : { refused: `the policy does not allow ${wrong}` };
  };
}

/** A policy that pins what tags mean, as `pin` writes it. */
function pinning(pin: (image: string) => string): (pod: Pod) => Verdict {
  return (pod) => ({
    patch: imagesOf(pod).flatMap((image, index) =>
      image.includes('@') ? [] : { op: 'replace' as const, path: `/spec/containers/${index}/image`, value: pin(image) },
    ),
  });
}

describe('a policy that judges Pods after the webhook', () => {
  const policies: [name: string, pattern: RegExp, refused: string][] = [
    ['demands a digest of every image', /@sha256:[0-9a-f]{64}$/, 'registry.test/other:1'],
    ['allows one registry only', /^registry\.test\//, 'elsewhere.test/web:1'],
  ];
  for (const [name, pattern, refused] of policies) {
    test(`and ${name} lets rewritten Pods pass`, async () => {
      await using policy = await startOtherWebhook(demand(pattern));
      await registerValidating(cluster.client, 'policy', registrationOf(policy, 'policy'));
      try {
        await until('the policy holds', () =>
          cluster.create(podOf(refused), { dryRun: true }).then(
            () => false,
            (error: unknown) => String(error).includes(`does not allow ${refused}`),
          ),
        );
        const { pod } = await cluster.create(podOf(SOURCE));
        assert.deepEqual(imagesOf(pod), [ARTIFACT]);
      } finally {
        await cluster.client.delete(validatingWebhookConfigurations, { name: 'policy' });
      }
      await until('the policy holds no more', () =>
        cluster.create(podOf(refused), { dryRun: true }).then(
          () => true,
          () => false,
        ),
      );
    });
  }
});

describe('a policy that pins tags to digests', () => {
  const ways: [name: string, pin: (image: string) => string][] = [
    ['and keeps the tag, as Kyverno does', (image) => `${image}@${SOURCE_DIGEST}`],
    [
      'and drops the tag, as the policy-controller of cosign does',
      (image) => `${image.split(':')[0]}@${SOURCE_DIGEST}`,
    ],
  ];
  for (const [name, pin] of ways) {
    for (const [place, configuration, original] of [
      ['before', 'a-pin', pin(SOURCE)],
      // It sees an artifact, pinned already.
      ['after', 'z-pin', SOURCE],
    ] as const) {
      test(`${place} the webhook, ${name}, and the Pod is accelerated`, async () => {
        await withPolicy(configuration, pin, async () => {
          const { pod } = await cluster.create(podOf(SOURCE));
          assert.deepEqual(imagesOf(pod), [ARTIFACT]);
          assert.equal(pod.metadata.annotations?.['slipstream.dev/original-images'], JSON.stringify({ web: original }));
        });
      });
    }
  }

  test("by the name that go-containerregistry gives Docker Hub's images, and the Pod is accelerated", async () => {
    const pin = (): string => `index.docker.io/library/python@${SOURCE_DIGEST}`;
    await withPolicy('a-pin', pin, async () => {
      const { pod } = await cluster.create(podOf('python:3'));
      assert.deepEqual(imagesOf(pod), [`docker.io/library/python:3-nydus@${ARTIFACT_DIGEST}`]);
    });
  });

  test('to another digest than the one that was converted has the last word', async () => {
    const pin = (image: string): string => `${image}@${OTHER_DIGEST}`;
    await withPolicy('a-pin', pin, async () => {
      const { pod } = await cluster.create(podOf(SOURCE));
      assert.deepEqual(imagesOf(pod), [pin(SOURCE)]);
      assert.equal(pod.metadata.annotations?.['slipstream.dev/rewrite'], 'skipped: DigestDiffers');
    });
  });

  async function withPolicy(
    configuration: string,
    pin: (image: string) => string,
    body: () => Promise<void>,
  ): Promise<void> {
    await using policy = await startOtherWebhook(pinning(pin));
    const pinned = async (): Promise<boolean> => {
      const { pod } = await cluster.create(podOf('registry.test/probe:1'), { dryRun: true });
      return imagesOf(pod)[0]?.includes('@') === true;
    };
    await register(cluster.client, configuration, registrationOf(policy, 'pin'));
    try {
      await until('the policy pins', pinned);
      await body();
    } finally {
      await unregister(cluster, configuration);
      await until('the policy pins no more', async () => !(await pinned()));
    }
  }
});
