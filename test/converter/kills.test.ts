import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { toolPath } from '../../hack/tools/locate.ts';
import { ConvertResult } from '../../src/converter/result.ts';
import type { Manifest } from '../../src/registry/schema.ts';
import { buildImage, buildTar, file, layerOf, noise, pushImage } from '../support/image-builder.ts';
import { startProxiedHarness, succeeded, type ProxiedHarness } from './harness.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const MIB = 1 << 20;
const ROUNDS = 20;
const SEED = 20_261_123;

let harness: ProxiedHarness;
let digest: string;
/** Requests and pieces of bodies of a conversion that nothing disturbs. */
let usual: number;
let traffic = 0;
let onTraffic: () => void = () => undefined;

before(async () => {
  harness = await startProxiedHarness({
    onTraffic() {
      traffic += 1;
      onTraffic();
    },
  });
  const layers = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => layerOf(await buildTar([file(name, noise(10 * MIB, name))]), 'none')),
  );
  await pushImage(harness.host, 'app', '1', [buildImage(layers)]);
  const start = traffic;
  digest = succeeded(await harness.convert('app:1', 'undisturbed:1')).digest;
  usual = traffic - start;
});
after(() => harness[Symbol.asyncDispose]());

/** How a worker ended. */
interface Ended {
  signal: NodeJS.Signals | null;
  code: number | null;
  /** Absent where it was killed before it could say. */
  result: ConvertResult | undefined;
}

/** Runs a worker as a Job does, in a process group of its own, and sends it a signal after so much traffic. */
async function runWorker(target: string, signal: NodeJS.Signals, after: number): Promise<Ended> {
  const folder = await mkdtemp(join(tmpdir(), 'worker-'));
  const termination = join(folder, 'termination-log');
  const { host } = harness;
  const request = {
    source: `${host}/app:1`,
    target: `${host}/${target}`,
    platforms: ['linux/amd64'],
    format: 'RafsV6',
    compressor: 'zstd',
    prefetchPaths: [],
    optionsHash: 'options',
    workDir: folder,
    registries: { [host]: { plainHTTP: true } },
  };
  const flags = [`--nydus-image=${toolPath('nydus-image')}`, `--termination-message=${termination}`];
  try {
    const worker = spawn(process.execPath, [MAIN, 'convert', `--request=${JSON.stringify(request)}`, ...flags], {
      detached: true,
      stdio: 'ignore',
    });
    const { pid = 0 } = worker;
    let left = after;
    onTraffic = () => {
      left -= 1;
      if (left === 0) {
        // A Pod's end takes all of its processes.
        process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
      }
    };
    const [code, killedBy] = (await once(worker, 'exit')) as [number | null, NodeJS.Signals | null];
    const said = await readFile(termination, 'utf8').catch(() => undefined);
    const result = said === undefined ? undefined : ConvertResult.parse(JSON.parse(said));
    return { code, signal: killedBy, result };
  } finally {
    onTraffic = () => undefined;
    await rm(folder, { recursive: true, force: true });
  }
}

/** The digest that a tag names, after a look at everything that it names in turn; undefined where there is no tag. */
async function wholeArtifact(repository: string, tag: string): Promise<string | undefined> {
  const url = `http://${harness.host}/v2/${repository}`;
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const head = await fetch(`${url}/manifests/${tag}`, { method: 'HEAD', headers: { accept } });
  if (head.status === 404) {
    return undefined;
  }
  const { config, layers } = await harness.manifest<Manifest>(repository, tag);
  for (const blob of [config, ...layers]) {
    const { status, headers } = await fetch(`${url}/blobs/${blob.digest}`, { method: 'HEAD' });
    assert.deepEqual([status, headers.get('content-length')], [200, String(blob.size)], blob.digest);
  }
  return head.headers.get('docker-content-digest') ?? undefined;
}

/** Numbers from 0 to 1, the same for the same seed (Numerical Recipes' linear congruential generator). */
function* random(seed: number): Generator<number> {
  for (let state = seed; ;) {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    yield state / 2 ** 32;
  }
}

test(`a worker that is killed at any of ${ROUNDS} points leaves no half artifact, and the next one makes the same`, async () => {
  let killed = 0;
  const numbers = random(SEED);
  for (let round = 0; round < ROUNDS; round += 1) {
    const after = 1 + Math.floor((numbers.next().value ?? 0) * usual);
    const { signal } = await runWorker(`killed-${round}:1`, 'SIGKILL', after);
    killed += signal === 'SIGKILL' ? 1 : 0;
    const left = await wholeArtifact(`killed-${round}`, '1');
    assert.ok(left === undefined || left === digest, `killed after ${after} of ${usual}: the tag names ${left}`);
    const abandoned = await harness.openUploads(`killed-${round}`);
    const again = succeeded(await harness.convert('app:1', `killed-${round}:1`));
    assert.equal(again.digest, digest, `killed after ${after} of ${usual}`);
    assert.equal(await wholeArtifact(`killed-${round}`, '1'), digest);
    assert.deepEqual(
      await harness.openUploads(`killed-${round}`),
      abandoned,
      'the next one leaves no upload of its own',
    );
  }
  assert.ok(killed > ROUNDS / 2, `${killed} of ${ROUNDS} were killed in time`);
});

describe('a worker that is told to stop', () => {
  for (const part of [0.2, 0.4, 0.6, 0.8]) {
    test(`after ${part * 100} % of its way leaves no upload and no tag, and says that it is worth another attempt`, async () => {
      const repository = `stopped-${part * 10}`;
      const { code, result } = await runWorker(`${repository}:1`, 'SIGTERM', Math.ceil(usual * part));
      assert.equal(code, 1);
      assert.deepEqual(result, {
        ok: false,
        reason: 'ConversionFailed',
        message: 'the conversion was stopped',
        permanent: false,
      });
      assert.deepEqual(await harness.openUploads(repository), []);
      assert.equal(await wholeArtifact(repository, '1'), undefined);
    });
  }
});
