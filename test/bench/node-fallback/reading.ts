import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, ClusterNode } from '../../../hack/cluster/cluster.ts';
import { coldNode } from '../../../hack/cluster/cold.ts';
import { RUNTIME_HANDLER_ANNOTATION } from '../../../src/api/v1alpha1/labels.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { pods } from '../../../src/kube/resources.ts';

/** The file is read in so many parts of this size. */
export const CHUNKS = 32;
export const MIB_PER_CHUNK = 4;

const NAMESPACE = 'default';
const POLL_MS = 50;
const TIMEOUT_MS = 300_000;
/** Says when each part was begun and when it was there, by the clock of the machine; waits a little between parts. */
const SCRIPT = `now() { cut -d' ' -f1 /proc/uptime; }
i=0; while [ $i -lt ${CHUNKS} ]; do
  begun=$(now); dd if=/noise of=/dev/null bs=${MIB_PER_CHUNK}M skip=$i count=1 2>/dev/null || exit 1
  echo $begun $(now); i=$((i+1)); usleep 100000
done`;

/** What one Pod that reads its image told. */
export interface Reading {
  /** From the creation of the Pod to its first command. */
  readonly startSeconds: number;
  /** While it read. */
  readonly mebibytesPerSecond: number;
  /** The part that took longest. */
  readonly longestSeconds: number;
  /** Bytes that the registry sent meanwhile. */
  readonly originBytes: number;
}

export interface ReadingOptions {
  readonly client: KubeClient;
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  /** A Nydus artifact with the file `/noise`, unless it is said to be none. */
  readonly image: string;
  readonly isOci?: boolean;
  readonly name: string;
  /** What to do when so many parts are read. */
  readonly watch?: { readonly chunks: number; readonly run: () => Promise<void> } | undefined;
}

/** Has a Pod on the emptied node read the whole file; takes the Pod away again. */
export async function readAll(options: ReadingOptions): Promise<Reading> {
  const { client, cluster, node, image, isOci = false, name, watch } = options;
  await coldNode(node);
  const sent = await cluster.originBytes();
  const created = Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]);
  await client.create(pods, {
    metadata: { namespace: NAMESPACE, name, annotations: isOci ? {} : { [RUNTIME_HANDLER_ANNOTATION]: 'nydus' } },
    spec: {
      ...(isOci ? {} : { runtimeClassName: 'nydus' }),
      nodeSelector: { 'kubernetes.io/hostname': node.name },
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image, command: ['/bin/sh', '-c', SCRIPT] }],
    },
  });
  if (watch !== undefined) {
    await partsOf(client, name, watch.chunks);
    await watch.run();
  }
  const parts = await partsOf(client, name, CHUNKS);
  const originBytes = (await cluster.originBytes()) - sent;
  await client.delete(pods, { namespace: NAMESPACE, name });
  while ((await client.list(pods, { namespace: NAMESPACE, fieldSelector: `metadata.name=${name}` })).items.length > 0) {
    await sleep(POLL_MS);
  }
  const seconds = parts.map(({ begun, there }) => there - begun);
  return {
    startSeconds: (parts[0]?.begun ?? Number.NaN) - created,
    mebibytesPerSecond: (CHUNKS * MIB_PER_CHUNK) / seconds.reduce((sum, each) => sum + each, 0),
    longestSeconds: Math.max(...seconds),
    originBytes,
  };
}

/** Waits until so many parts were read; gives when. */
async function partsOf(client: KubeClient, name: string, count: number): Promise<{ begun: number; there: number }[]> {
  const since = performance.now();
  for (;;) {
    const log = await client.podLogs({ namespace: NAMESPACE, name }, {}).catch(() => '');
    const parts = [...log.matchAll(/^([\d.]+) ([\d.]+)$/gm)].map(([, begun, there]) => ({
      begun: Number(begun),
      there: Number(there),
    }));
    if (parts.length >= count) {
      return parts;
    }
    if (performance.now() - since > TIMEOUT_MS) {
      throw new Error(`Pod ${name} did not read ${count} parts within ${TIMEOUT_MS / 1000} s; its log: ${log}`);
    }
    await sleep(POLL_MS);
  }
}
