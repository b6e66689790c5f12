import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolPath } from '../../hack/tools/locate.ts';
import { runConvertCommand } from '../../src/converter/command.ts';
import { ConvertRequest } from '../../src/converter/options.ts';
import type { ConvertSuccess } from '../../src/converter/result.ts';
import { ownTag } from '../../src/converter/owntag.ts';
import { SOURCE_DIGEST_ANNOTATION } from '../../src/converter/nydus.ts';
import { OPTIONS_ANNOTATION } from '../../src/api/v1alpha1/labels.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { jobs, pods, type Job } from '../../src/kube/resources.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { runReplicateCommand } from '../../src/replication/command.ts';
import type { FaultyRegistry } from '../doubles/faulty-registry.ts';
import { noise } from './image-builder.ts';

/** What the worker of a conversion is said to have found. */
export const INSPECTION: NonNullable<ConvertSuccess['inspection']> = {
  platform: 'linux/amd64',
  size: 3 << 20,
  layers: 2,
  wastedBytes: 1 << 20,
  efficiency: '0.667',
  findings: [
    {
      code: 'DeletedFiles',
      severity: 'Warning',
      message: 'deletes 1 file of layers below: /opt/gone',
      bytes: 1 << 20,
      layer: 2,
      command: 'RUN rm /opt/gone',
    },
    { code: 'RootUser', severity: 'Warning', message: 'the config names no user, so it runs as root', bytes: 0 },
  ],
};

const QUIET = { userAgent: 'slipstream-test', logLevel: 'silent', stdout: { write: () => undefined } } as const;
const NEVER = new AbortController().signal;
const MERGE = 'application/merge-patch+json';

/**
 * Does what a kubelet and the Job controller would do for the Jobs of a namespace, for as long as it is called again and
 * again: a conversion to a double puts an artifact of the right annotations there, every other one and a copy run the real worker.
 * @param registries the doubles that artifacts are put into.
 * @param kind of the Jobs to run; all when empty.
 * @param only the name of the one Job to run.
 * @returns the names of the Jobs that it brought to their end.
 */
export async function runJobs(
  client: KubeClient,
  namespace: string,
  registries: readonly FaultyRegistry[],
  kind: 'convert' | 'replicate' | '' = '',
  only?: string,
): Promise<string[]> {
  const { items } = await client.list(jobs, { namespace });
  const open = items.filter(
    ({ metadata, status }) =>
      metadata.name.startsWith(`slipstream-${kind}`) &&
      status?.conditions === undefined &&
      (only === undefined || metadata.name === only),
  );
  // One that fails, as its Job was deleted, must not have the others run again while they still do.
  const ends = await Promise.allSettled(open.map((job) => finish(client, job, work(job))));
  for (const end of ends) {
    if (end.status === 'rejected') {
      throw end.reason;
    }
  }
  return open.map(({ metadata }) => metadata.name);

  async function work(job: Job): Promise<{ ok: boolean; message: string }> {
    const [command, ...args] = job.spec?.template.spec?.containers[0]?.args ?? [];
    const request = args.find((arg) => arg.startsWith('--request='))?.slice('--request='.length) ?? '';
    if (command !== 'convert') {
      return await worked((paths) => runReplicateCommand({ request, ...paths, ...QUIET }, NEVER));
    }
    const { target } = JSON.parse(request) as ConvertRequest;
    return registries.some(({ host }) => host === parseReference(target).registry)
      ? converted(request, registries)
      : await worked(async ({ workDir, ...paths }) => {
          const whole = JSON.stringify({ ...(JSON.parse(request) as ConvertRequest), workDir });
          const command = { request: whole, nydusImage: toolPath('nydus-image'), ...paths, ...QUIET };
          return await runConvertCommand(command, NEVER);
        });
  }
}

function converted(text: string, registries: readonly FaultyRegistry[]): { ok: boolean; message: string } {
  const request = ConvertRequest.parse({ ...(JSON.parse(text) as object), workDir: '/' });
  const { registry: host, repository, tag } = parseReference(request.target);
  const sourceDigest = parseReference(request.source).digest ?? '';
  const annotations = { [SOURCE_DIGEST_ANNOTATION]: sourceDigest, [OPTIONS_ANNOTATION]: request.optionsHash };
  const layers = [noise(2 << 20, sourceDigest), Buffer.from(`bootstrap of ${sourceDigest}`)];
  const registry = registries.find((each) => each.host === host);
  const moved = registry?.content.manifest(repository, tag ?? '') !== undefined;
  const stored = registry?.addImage(repository, tag, { annotations, layers });
  const { digest = '' } = stored ?? {};
  const own = ownTag(tag ?? '', digest);
  const made = [...(registry?.content.manifest(repository, own) ? [] : [own]), ...(moved ? [] : [tag ?? ''])];
  if (stored !== undefined) {
    registry?.content.addManifest(repository, own, stored.body, stored.mediaType);
  }
  const [platform = ''] = request.platforms;
  const result: ConvertSuccess = {
    ok: true,
    digest,
    image: `${request.target}@${digest}`,
    made,
    sourceDigest,
    builder: 'none',
    platforms: [{ platform, digest, sourceDigest, size: 2 << 20, bootstrapSize: 1 }],
    timings: { pull: 0, build: 0, push: 0, total: 0 },
    bytesRead: 0,
    bytesPushed: 0,
    layers: { total: 1, reused: 0 },
    chunks: { deduplicated: 0, bytesDeduplicated: 0, bytesNew: 2 << 20 },
    inspection: INSPECTION,
  };
  return { ok: true, message: JSON.stringify(result) };
}

/** Runs a real worker, and gives what it says at its end. */
async function worked(
  run: (paths: { workDir: string; terminationMessage: string }) => Promise<number>,
): Promise<{ ok: boolean; message: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'job-'));
  try {
    const terminationMessage = join(folder, 'termination-log');
    const code = await run({ workDir: join(folder, 'work'), terminationMessage });
    return { ok: code === 0, message: await readFile(terminationMessage, 'utf8') };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function finish(
  client: KubeClient,
  { metadata: { name, namespace = '' }, spec }: Job,
  work: Promise<{ ok: boolean; message: string }>,
): Promise<void> {
  const { ok, message } = await work;
  const template = spec?.template;
  const [container] = template?.spec?.containers ?? [];
  const ref = { namespace, name: `${name}-pod` };
  await client.create(pods, {
    metadata: { ...ref, labels: template?.metadata?.labels },
    spec: template?.spec,
  });
  const terminated = { exitCode: ok ? 0 : 1, reason: ok ? 'Completed' : 'Error', message };
  const containerStatuses = [
    { name: container?.name, image: '', imageID: '', ready: false, restartCount: 0, state: { terminated } },
  ];
  const podStatus = { status: { phase: ok ? 'Succeeded' : 'Failed', containerStatuses } };
  await client.patch(pods, ref, podStatus, MERGE, { subresource: 'status' });
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const condition = (type: string): object => ({ type, status: 'True', lastTransitionTime: now, reason: 'Test' });
  const jobStatus = ok
    ? {
        startTime: now,
        completionTime: now,
        succeeded: 1,
        conditions: [condition('SuccessCriteriaMet'), condition('Complete')],
      }
    : { startTime: now, failed: 1, conditions: [condition('FailureTarget'), condition('Failed')] };
  await client.patch(jobs, { namespace, name }, { status: jobStatus }, MERGE, { subresource: 'status' });
}
