import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  credentials,
  loadPackageDefinition,
  Metadata,
  type Client,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { nydusdConfig } from '../../hack/cluster/node-config.ts';
import { toolPath } from '../../hack/tools/locate.ts';
import { startProcess } from '../envtest/process.ts';
import { until } from './until.ts';

const PROTO = join(import.meta.dirname, '../doubles/proto/snapshots.proto');
const LABELS = 'containerd.io/snapshot/';

/** A layer as containerd hands it to a snapshotter. */
export interface BootstrapLayer {
  digest: string;
  annotations: Readonly<Record<string, string>>;
  /** Writes what the layer holds to a folder. */
  unpack: (folder: string) => Promise<void>;
}

/** A running nydus-snapshotter. */
export interface Snapshotter extends AsyncDisposable {
  /**
   * Pulls an image and prepares a container of it, as containerd does.
   * @param image reference with host and repository.
   * @returns the folder in which nydusd has mounted it.
   * @throws the snapshotter's error.
   */
  run(image: string, layer: BootstrapLayer): Promise<string>;
}

interface Mount {
  type: string;
  source: string;
  options: string[];
}

type Call = (
  request: object,
  metadata: Metadata,
  done: (error: Error | null, answer: { mounts: Mount[] }) => void,
) => void;

/**
 * Starts the real nydus-snapshotter, which starts the real nydusd, as on a node whose `validate_signature` is on. Needs root.
 * @param publicKey PEM of the key that bootstraps are checked by, as it is in the file that `public_key_file` names.
 */
export async function startSnapshotter(publicKey: string): Promise<Snapshotter> {
  // The snapshotter takes no long path.
  const folder = await mkdtemp('/tmp/snapshotter-');
  const socket = join(folder, 'grpc.sock');
  const pids = join(folder, 'pids');
  const write = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);
  await mkdir(join(folder, 'root'));
  await write('key.pem', publicKey);
  await write('nydusd.json', nydusdConfig());
  await write('pids', '');
  // By itself nydusd wants a million open files, and it outlives its snapshotter.
  const nydusd = `#!/bin/sh\necho $$ >> '${pids}'\n[ "$1" = fuse ] && shift\nexec '${toolPath('nydusd')}' fuse --rlimit-nofile 0 "$@"\n`;
  await write('nydusd', nydusd);
  await chmod(join(folder, 'nydusd'), 0o755);
  await write('config.toml', configOf(folder, socket));
  const log = join(folder, 'log');
  const running = await startProcess(toolPath('containerd-nydus-grpc'), ['--config', join(folder, 'config.toml')], log);
  await until('the snapshotter listens', async () => {
    await running.assertRunning();
    return await listens(socket);
  });
  const { Snapshots } = serviceOf();
  const client = new Snapshots(`unix:${socket}`, credentials.createInsecure()) as Client & Record<string, Call>;
  const metadata = new Metadata();
  metadata.set('containerd-namespace', 'k8s.io');
  const call = (method: string, request: object): Promise<Mount[]> =>
    new Promise((resolve, reject) => {
      client[method]?.({ snapshotter: 'nydus', ...request }, metadata, (error, answer) =>
        error === null ? resolve(answer.mounts ?? []) : reject(error),
      );
    });
  let number = 0;
  return {
    async run(image, { digest, annotations, unpack }) {
      const name = `layer-${(number += 1)}`;
      const inherited = Object.entries(annotations).filter(([key]) => key.startsWith(LABELS));
      const labels = {
        ...Object.fromEntries(inherited),
        'containerd.io/snapshot.ref': name,
        [`${LABELS}cri.image-ref`]: image,
        [`${LABELS}cri.layer-digest`]: digest,
        [`${LABELS}cri.image-layers`]: digest,
      };
      const [layer] = await call('Prepare', { key: `extract-${name}`, labels });
      await unpack(layer?.source ?? '');
      await call('Commit', { name, key: `extract-${name}`, labels });
      const mounts = await call('Prepare', { key: `container-${name}`, parent: name, labels: {} });
      const lower = mounts.flatMap(({ options }) => options).find((option) => option.startsWith('lowerdir='));
      return lower?.slice('lowerdir='.length).split(':').at(-1) ?? '';
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await running.stop();
      for (const pid of (await readFile(pids, 'utf8')).split('\n').filter(Boolean)) {
        stop(Number(pid));
      }
      const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
        .split('\n')
        .map((line) => line.split(' ')[4] ?? '');
      for (const mount of mounts.filter((path) => path.startsWith(`${folder}/`))) {
        await promisify(execFile)('umount', ['-l', mount]);
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function serviceOf(): { Snapshots: ServiceClientConstructor } {
  const loaded = loadPackageDefinition(loadSync(PROTO, { defaults: true })) as unknown as {
    containerd: { services: { snapshots: { v1: { Snapshots: ServiceClientConstructor } } } };
  };
  return loaded.containerd.services.snapshots.v1;
}

function configOf(folder: string, socket: string): string {
  return `version = 1
root = '${folder}/root'
address = '${socket}'
daemon_mode = 'dedicated'
[system]
  enable = false
[metrics]
  address = ''
[daemon]
  nydusd_config = '${folder}/nydusd.json'
  nydusd_path = '${folder}/nydusd'
  nydusimage_path = '${toolPath('nydus-image')}'
  fs_driver = 'fusedev'
  recover_policy = 'none'
[image]
  public_key_file = '${folder}/key.pem'
  validate_signature = true
[remote]
  skip_ssl_verify = true
[log]
  level = 'info'
  log_to_stdout = true
[cgroup]
  enable = false
`;
}

function listens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function stop(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
