import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serveSocket, type SocketServer } from '../../test/support/socket-server.ts';
import { findMounted } from './snapshotter.ts';

const NEVER = new AbortController().signal;
const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;

/** A system controller with two daemons, the second of which serves two images. */
function snapshotter(): Promise<SocketServer> {
  const instance = (id: string, image_id: string): object => ({
    snapshot_id: id,
    snapshot_dir: `/var/lib/nydus/snapshots/${id}`,
    mountpoint: `/var/lib/nydus/snapshots/${id}/mnt`,
    image_id,
  });
  const daemons = [
    {
      id: 'a',
      api_socket: '/var/lib/nydus/socket/a/api.sock',
      instances: { 3: instance('3', `registry.test/web@${OTHER}`) },
    },
    {
      id: 'b',
      api_socket: '/var/lib/nydus/socket/b/api.sock',
      instances: { 5: instance('5', 'registry.test/web:1-nydus'), 8: instance('8', `registry.test/web@${DIGEST}`) },
    },
  ];
  return serveSocket({ '/api/v1/daemons': { body: JSON.stringify(daemons) } });
}

test('an image by tag and digest is found under the name that containerd has for it, which is without the tag', async () => {
  await using system = await snapshotter();
  assert.deepEqual(await findMounted(system.socket, `registry.test/web:1-nydus@${DIGEST}`, NEVER), {
    socket: '/var/lib/nydus/socket/b/api.sock',
    instance: '/8',
    bootstrap: '/var/lib/nydus/snapshots/8/fs/image/image.boot',
  });
});

test('an image that no daemon serves is not taken for another version of it', async () => {
  await using system = await snapshotter();
  const image = `registry.test/web:1-nydus@sha256:${'c'.repeat(64)}`;
  await assert.rejects(findMounted(system.socket, image, NEVER), /no nydusd of the node has .*cccc mounted/);
});

test('what does not answer like nydus-snapshotter is said to be something else', async () => {
  for (const body of ['', '[{}]', '{"code":"Unknown"}', '[{"api_socket":"relative","instances":null}]']) {
    await using system = await serveSocket({ '/api/v1/daemons': { body } });
    await assert.rejects(findMounted(system.socket, 'web', NEVER), /does not answer like nydus-snapshotter/);
  }
});
