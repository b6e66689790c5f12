import { z } from 'zod';
import { parseReference } from '../registry/reference.ts';
import { parseJson } from './json.ts';
import { getFromSocket } from './socket.ts';

const MAX_BYTES = 16 * 2 ** 20;

/** What is used of nydus-snapshotter's `GET /api/v1/daemons` (pkg/system/system.go). */
const Daemons = z.array(
  z.object({
    api_socket: z.string(),
    instances: z.record(
      z.string(),
      z.object({ snapshot_id: z.string(), snapshot_dir: z.string(), image_id: z.string() }),
    ),
  }),
);

/** Where an image is mounted on a node, and by whom. Paths are the node's. */
export const Mounted = z.object({
  /** API socket of the nydusd. */
  socket: z.string().startsWith('/'),
  /** The file system's place below the daemon's mountpoint, in a daemon that serves several. */
  instance: z.string(),
  /** The tree of the image. */
  bootstrap: z.string().startsWith('/'),
});
export type Mounted = z.infer<typeof Mounted>;

/**
 * Asks nydus-snapshotter where an image is mounted on its node.
 * @param socket path of its system socket
 * @param image the reference that the container runs
 * @throws Error when it is mounted nowhere, or there is no usable answer
 */
export async function findMounted(socket: string, image: string, signal: AbortSignal): Promise<Mounted> {
  const text = await getFromSocket(socket, '/api/v1/daemons', MAX_BYTES, signal);
  const daemons = Daemons.safeParse(parseJson(text)).data;
  if (daemons === undefined) {
    throw new Error(`${socket} does not answer like nydus-snapshotter: it must be its system socket`);
  }
  const wanted = nameOf(image);
  const [found] = daemons.flatMap(({ api_socket, instances }) =>
    Object.values(instances)
      .filter(({ image_id }) => nameOf(image_id) === wanted)
      .map(({ snapshot_id, snapshot_dir }) => ({
        socket: api_socket,
        instance: `/${snapshot_id}`,
        bootstrap: `${snapshot_dir}/fs/image/image.boot`,
      })),
  );
  if (found === undefined) {
    throw new Error(
      `no nydusd of the node has ${image} mounted: it was pulled by another snapshotter, or under another name; start ` +
        'the Pod anew',
    );
  }
  return Mounted.parse(found);
}

/** What containerd calls an image: where a digest is given, it leaves out the tag. Anything else is called as it is. */
function nameOf(image: string): string {
  try {
    const { registry, repository, tag, digest } = parseReference(image);
    return `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
  } catch {
    return image;
  }
}
