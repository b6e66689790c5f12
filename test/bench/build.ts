/**
 * node test/bench/build.ts: the three ways to a Nydus image from one Dockerfile, whose stages run in parallel, with the layer cache
 * in the registry: built and pushed, and then converted; built once and pushed in both formats; built and pushed as Nydus alone.
 * Each on a builder that remembers nothing, first without anything in the registry, then with one small layer changed. Real
 * BuildKit, registry, worker and nydus-image. Option: `--runs` (3).
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pushRootfs } from '../../hack/cluster/images.ts';
import { makeInferenceImage } from '../../hack/demo/image.ts';
import { figure } from '../../hack/figures.ts';
import { createProgress } from '../../hack/tools/progress.ts';
import { ConvertRequest } from '../../src/converter/options.ts';
import { nydusOutput, ociOutput, startBuildKit, type BuildKit } from '../support/buildkit.ts';
import { startDistribution } from '../support/distribution.ts';
import { startRegistryProxy, type RegistryProxy } from '../support/registry-proxy.ts';
import { changeApplication, writeContext } from './build/context.ts';
import { runWorker } from './convert/worker.ts';

/** What a way leaves in a repository: the image under `tag`, the Nydus image under `tag-nydus` or, if it is alone, under `tag`. */
interface Way {
  name: string;
  outputs: (image: string) => string[];
  converts: boolean;
}

const WAYS: readonly Way[] = [
  { name: 'convert-after-push', outputs: (image) => [ociOutput(image)], converts: true },
  { name: 'double-version', outputs: (image) => [ociOutput(image), nydusOutput(`${image}-nydus`)], converts: false },
  { name: 'direct', outputs: (image) => [nydusOutput(image)], converts: false },
];
/** What is built: everything, or the same with one small layer changed, from the cache in the registry. */
const STATES = ['', ' changed'] as const;

const { values } = parseArgs({ options: { runs: { type: 'string', default: '3' } } });

const folder = await mkdtemp(join(tmpdir(), 'slipstream-bench-build-'));
try {
  await using distribution = await startDistribution(folder);
  await using proxy = await startRegistryProxy(distribution.url);
  await using buildkit = await startBuildKit(join(folder, 'buildkit'), [proxy.host]);
  const { layers } = await makeInferenceImage(createProgress());
  await pushRootfs(`${proxy.host}/base:1`, layers.slice(0, 1));
  await measure(buildkit, proxy);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(buildkit: BuildKit, proxy: RegistryProxy): Promise<void> {
  const context = join(folder, 'context');
  await writeContext(context);
  const walls = new Map<string, number[]>();
  const pushed = new Map<string, number[]>();
  for (let run = 0; run < Number(values.runs); run += 1) {
    for (const way of WAYS) {
      for (const [version, state] of STATES.entries()) {
        await changeApplication(context, `${run}.${version}`);
        await buildkit.forget();
        const before = bytesPushed(proxy);
        const started = performance.now();
        await make(way, `${proxy.host}/${way.name}-${run}`, version, context, buildkit, proxy);
        add(walls, way.name + state, (performance.now() - started) / 1000);
        add(pushed, way.name + state, bytesPushed(proxy) - before);
      }
    }
  }
  for (const [at, seconds] of walls) {
    console.log(JSON.stringify(figure('build.wall', 's', seconds, at)));
  }
  for (const [at, bytes] of pushed) {
    console.log(JSON.stringify(figure('build.bytesPushed', 'B', bytes, at)));
  }
}

async function make(
  { outputs, converts }: Way,
  repository: string,
  version: number,
  context: string,
  buildkit: BuildKit,
  { host }: RegistryProxy,
): Promise<void> {
  const image = `${repository}:${version}`;
  const cache = `${repository}:cache`;
  await buildkit.build({ context, args: { BASE: `${host}/base:1` }, outputs: outputs(image), cache });
  if (!converts) {
    return;
  }
  const workDir = join(folder, 'work');
  await mkdir(workDir, { recursive: true });
  const request = ConvertRequest.parse({
    source: image,
    target: `${image}-nydus`,
    platforms: [process.arch === 'arm64' ? 'linux/arm64' : 'linux/amd64'],
    format: 'RafsV6',
    compressor: 'zstd',
    prefetchPaths: [],
    optionsHash: 'bench',
    workDir,
    registries: { [host]: { plainHTTP: true } },
    reuse: version === 0 ? [] : [`${repository}:0-nydus`],
  });
  await runWorker(request, folder);
}

/** Bytes of the bodies of everything that was sent to the registry: blobs, manifests, and the cache with its own. */
function bytesPushed({ requests }: RegistryProxy): number {
  return requests.reduce((sum, { method, bytes }) => (method === 'GET' || method === 'HEAD' ? sum : sum + bytes), 0);
}

function add(values: Map<string, number[]>, at: string, value: number): void {
  values.set(at, [...(values.get(at) ?? []), value]);
}
