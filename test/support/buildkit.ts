import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toolPath } from '../../hack/tools/locate.ts';
import { execute } from '../../hack/tools/process.ts';
import { startProcess } from '../envtest/process.ts';
import { until } from './until.ts';

/** Output of a whole build. */
const OUTPUT_MAX = 16 << 20;

/**
 * A cache of Nydus blobs, which is what a build for Nydus alone would leave, is one that BuildKit cannot read: it takes them for
 * tars, and fails the next build with "failed to verify layer".
 */
const CACHE_COMPRESSION = 'compression=gzip,force-compression=true';

/** What to build, and where to. */
export interface Build {
  /** Folder of the Dockerfile and of what it copies. */
  context: string;
  args?: Readonly<Record<string, string>>;
  /** As `--opt` takes them, such as `platform`. */
  options?: Readonly<Record<string, string>>;
  /** As `--output` takes them, see {@link ociOutput} and {@link nydusOutput}. */
  outputs: readonly string[];
  /** Reference of the cache in a registry, which is read and written. */
  cache?: string;
}

/** A running BuildKit. */
export interface BuildKit extends AsyncDisposable {
  build(build: Build): Promise<void>;
  /** Forgets everything that was built or fetched, as a builder that has just started. */
  forget(): Promise<void>;
}

/**
 * Pushes the image as it is. Without the compression forced, a layer that the output of the same build for Nydus stores first is
 * pushed as that.
 */
export function ociOutput(reference: string): string {
  return output(reference, 'gzip');
}

/** Pushes the image as Nydus. */
export function nydusOutput(reference: string): string {
  return output(reference, 'nydus');
}

function output(reference: string, compression: string): string {
  return `type=image,name=${reference},push=true,oci-mediatypes=true,compression=${compression},force-compression=true`;
}

/**
 * Starts BuildKit with Nydus, as root, with all that it stores below a folder. Its mounts and containers are in namespaces of its
 * own, and end with it.
 * @param hosts registries that speak plain HTTP.
 */
export async function startBuildKit(folder: string, hosts: readonly string[]): Promise<BuildKit> {
  const [socket, config] = [join(folder, 'buildkitd.sock'), join(folder, 'buildkitd.toml')];
  await mkdir(join(folder, 'nydus'), { recursive: true });
  await writeFile(config, configOf(join(folder, 'root'), socket, hosts));
  const namespaces = ['--mount', '--pid', '--mount-proc', '--fork', '--kill-child'];
  const settings = [`NYDUS_BUILDER=${toolPath('nydus-image')}`, `NYDUS_WORKDIR=${join(folder, 'nydus')}`];
  const daemon = await startProcess(
    'unshare',
    [...namespaces, 'env', ...settings, toolPath('buildkitd'), '--config', config],
    join(folder, 'buildkitd.log'),
  );
  const control = async (...args: string[]): Promise<void> => {
    await execute(toolPath('buildctl'), ['--addr', `unix://${socket}`, ...args], { maxBuffer: OUTPUT_MAX });
  };
  await until('BuildKit answers', async () => {
    await daemon.assertRunning();
    return await control('debug', 'workers').then(
      () => true,
      () => false,
    );
  });
  return {
    build: (build) => control('build', ...argumentsOf(build)),
    forget: () => control('prune', '--all'),
    [Symbol.asyncDispose]: () => daemon.stop(),
  };
}

function argumentsOf({ context, args = {}, options = {}, outputs, cache }: Build): string[] {
  const all = {
    ...options,
    ...Object.fromEntries(Object.entries(args).map(([key, value]) => [`build-arg:${key}`, value])),
  };
  return [
    '--progress=plain',
    '--frontend=dockerfile.v0',
    `--local=context=${context}`,
    `--local=dockerfile=${context}`,
    ...Object.entries(all).map(([key, value]) => `--opt=${key}=${value}`),
    ...outputs.map((output) => `--output=${output}`),
    ...(cache === undefined
      ? []
      : [
          `--export-cache=type=registry,ref=${cache},mode=max,oci-mediatypes=true,${CACHE_COMPRESSION}`,
          `--import-cache=type=registry,ref=${cache}`,
        ]),
  ];
}

function configOf(root: string, socket: string, hosts: readonly string[]): string {
  return [
    `root = ${JSON.stringify(root)}`,
    '[grpc]',
    `  address = [${JSON.stringify(`unix://${socket}`)}]`,
    '[worker.oci]',
    '  enabled = true',
    '  snapshotter = "overlayfs"',
    '  networkMode = "host"',
    '[worker.containerd]',
    '  enabled = false',
    ...hosts.flatMap((host) => [`[registry.${JSON.stringify(host)}]`, '  http = true']),
    '',
  ].join('\n');
}
