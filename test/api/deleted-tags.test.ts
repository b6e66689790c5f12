import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { AcceleratedImage } from '../../src/api/v1alpha1/acceleratedimage.ts';
import { ownTag } from '../../src/converter/owntag.ts';
import { acceleratedImages, pods } from '../../src/kube/resources.ts';
import { decide } from '../../src/rewriting/decide.ts';
import { startHarness, type Harness } from '../converter/harness.ts';
import { smallImage } from '../converter/images.ts';
import { pushImage } from '../support/image-builder.ts';
import { runJobs } from '../support/jobs.ts';
import { startOperator, type RunningOperator } from '../support/operator.ts';
import { capableNode, indexOf, webPod } from '../support/rewriting.ts';
import { until } from '../support/until.ts';

const namespace = 'team-a';

/** With a real registry, in which people and its garbage collection delete. */
let harness: Harness;
let operator: RunningOperator;
let name: string;
let number = 0;

before(async () => {
  harness = await startHarness();
  operator = await startOperator({ registries: [{ host: harness.host, plainHTTP: true }] });
});
after(async () => {
  await operator?.[Symbol.asyncDispose]();
  await harness?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  name = `web-${(number += 1)}`;
});

async function current(): Promise<AcceleratedImage> {
  return await operator.client.get(acceleratedImages, { namespace, name });
}

/** Lets Jobs run until Ready is true, with such a message. */
async function ready(message = /is verified$/): Promise<void> {
  await until(`${name} is Ready`, async () => {
    await runJobs(operator.client, namespace, []);
    const condition = (await current()).status?.conditions?.find(({ type }) => type === 'Ready');
    assert.equal(condition?.status, 'True', condition?.message);
    assert.match(condition.message, message);
    return true;
  });
}

/** An image that is converted, and a Pod that runs what was made of it; gives the digest of that. */
async function running(): Promise<string> {
  await pushImage(harness.host, name, '1', [await smallImage(name)]);
  await operator.client.create(acceleratedImages, {
    metadata: { namespace, name },
    spec: { source: { image: `${harness.host}/${name}:1`, interval: '10s' } },
  });
  await ready();
  const { image = '', digest = '' } = (await current()).status?.artifact ?? {};
  await operator.client.create(pods, {
    metadata: { namespace, name },
    spec: { containers: [{ name: 'web', image }] },
  });
  return digest;
}

/** Waits until the operator has asked the registry after now. */
async function lookedAt(): Promise<void> {
  const resolvedAt = async (): Promise<string | undefined> => (await current()).status?.source?.resolvedAt;
  const before = await resolvedAt();
  await until('it was looked at again', async () => (await resolvedAt()) !== before);
}

/** What a new Pod of the image would run, or why it would be left. */
async function runs(): Promise<string> {
  const index = indexOf({ images: [await current()], nodes: [capableNode('n1')] });
  const { rewrites, reason } = decide(webPod(`${harness.host}/${name}:1`), namespace, index, new Date());
  return rewrites[0]?.image ?? reason;
}

/** Whether the registry has a manifest, as the node of a running Pod asks for it. */
async function has(reference: string): Promise<boolean> {
  const accept = 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json';
  const url = `http://${harness.host}/v2/${name}/manifests/${reference}`;
  return (await fetch(url, { method: 'HEAD', headers: { accept } })).ok;
}

describe('a Pod that runs an artifact', () => {
  test('goes on, and new ones run the same, when its tags are deleted; once it is collected it comes back under its digest', async () => {
    const digest = await running();
    const artifact = `${harness.host}/${name}:1-nydus@${digest}`;
    await harness.untag(name, '1-nydus');
    await harness.untag(name, ownTag('1-nydus', digest));
    await lookedAt();
    await ready();
    assert.deepEqual([await has(digest), await has('1-nydus'), await runs()], [true, false, artifact]);

    await harness.collectGarbage();
    assert.equal(await has(digest), false);
    // A cluster's garbage collection takes the Pod of the Job with it.
    const job = (await current()).status?.conversion?.job;
    await operator.client.delete(pods, { namespace, name: `${job}-pod` });
    await until('the registry has it again', async () => {
      await runJobs(operator.client, namespace, []);
      return (await has(digest)) && (await has('1-nydus')) && (await has(ownTag('1-nydus', digest)));
    });
    await ready();
    assert.equal(await runs(), artifact);
  });

  test('keeps it when the tag of the source is deleted; new ones run what they name, until the tag is back', async () => {
    const digest = await running();
    await harness.untag(name, '1');
    await ready(/is verified; the source could not be checked again: .*:1: .* answered 404/);
    await until('nobody has confirmed the tag for two intervals', async () => (await runs()) === 'TagStale');
    assert.deepEqual([await has(digest), await has('1-nydus')], [true, true]);

    await pushImage(harness.host, name, '1', [await smallImage(name)]);
    await ready();
    assert.equal(await runs(), `${harness.host}/${name}:1-nydus@${digest}`);
  });
});
