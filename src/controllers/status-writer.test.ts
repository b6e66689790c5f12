import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceleratedImage } from '../../test/gen/objects.ts';
import type { AcceleratedImage, AcceleratedImageStatus } from '../api/v1alpha1/acceleratedimage.ts';
import type { KubeClient } from '../kube/client.ts';
import { acceleratedImages } from '../kube/resources.ts';
import { StatusWriter } from './status-writer.ts';

const { signal } = new AbortController();
const NOTIFICATION = { at: '2026-01-01T00:00:01Z' };
const IMAGE = acceleratedImage('web', { status: { observedGeneration: 1, notification: NOTIFICATION } });

function writer(): { status: StatusWriter<AcceleratedImage, AcceleratedImageStatus>; written: unknown[] } {
  const written: unknown[] = [];
  const apply = (_resource: unknown, object: { status: unknown }): Promise<AcceleratedImage> => {
    written.push(object.status);
    return Promise.resolve(IMAGE);
  };
  const client = { apply } as unknown as KubeClient;
  return { status: new StatusWriter(client, acceleratedImages, 'test', ['notification']), written };
}

test('what somebody else writes is neither taken over nor put back', async () => {
  const { status, written } = writer();
  await status.write(IMAGE, { ...IMAGE.status, observedGeneration: 2 }, signal);
  assert.deepEqual(written, [{ observedGeneration: 2 }]);
});

test('a status that has not changed is not written, whatever somebody else has in it', async () => {
  const { status, written } = writer();
  await status.write(IMAGE, { observedGeneration: 1 }, signal);
  await status.write(IMAGE, { observedGeneration: 1, notification: { at: '2025-01-01T00:00:00Z' } }, signal);
  assert.deepEqual(written, []);
});
