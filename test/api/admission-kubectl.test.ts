import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { dump, load } from 'js-yaml';
import { toolPath } from '../../hack/tools/locate.ts';
import { pods, type Pod } from '../../src/kube/resources.ts';
import { podOf, startAdmission, TEAM, type AdmissionCluster } from '../support/admission/cluster.ts';
import { ARTIFACT_DIGEST } from '../support/rewriting.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;
const TOOLS = 'registry.test/tools:1';
const TOOLS_ARTIFACT = `registry.test/tools:1-nydus@${ARTIFACT_DIGEST}`;
const PLAIN = 'registry.test/busybox:1';

const RUNS_NYDUS = {
  'io.containerd.cri.runtime-handler': 'nydus',
  'slipstream.dev/rewrite': 'rewritten',
};

let cluster: AdmissionCluster;

before(async () => {
  cluster = await startAdmission();
  await cluster.addImage('web', SOURCE);
  await cluster.addImage('tools', TOOLS);
});
after(() => cluster?.[Symbol.asyncDispose]());

/** Runs kubectl in the team's namespace; what it printed. */
async function kubectl(args: string[], input = ''): Promise<string> {
  const env = { ...process.env, KUBECONFIG: cluster.envtest.kubeconfig };
  const running = promisify(execFile)(toolPath('kubectl'), ['--namespace', TEAM, ...args], { env, timeout: 60_000 });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

function get(name: string): Promise<Pod> {
  return cluster.client.get(pods, { namespace: TEAM, name });
}

function imagesOf({ spec }: Pod): (string | undefined)[] {
  return (spec?.containers ?? []).map(({ image }) => image);
}

function originalsOf({ metadata }: Pod): unknown {
  return JSON.parse(metadata.annotations?.['slipstream.dev/original-images'] ?? '{}');
}

async function created(name: string, spec: Record<string, unknown> = {}): Promise<Pod> {
  return (await cluster.create(podOf(SOURCE, { metadata: { name }, spec }))).pod;
}

/** A manifest as a person keeps it. */
function manifest(name: string): string {
  return dump({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: podOf(SOURCE).spec });
}

/** What a person takes out of `kubectl get -o yaml` to create the Pod again. */
async function exported(name: string, as: string): Promise<string> {
  const { metadata, spec } = load(await kubectl(['get', 'pod', name, '-o', 'yaml'])) as Pod;
  const { annotations, labels } = metadata;
  return dump({ apiVersion: 'v1', kind: 'Pod', metadata: { name: as, annotations, labels }, spec });
}

describe('kubectl debug', () => {
  test('adds an ephemeral container to a rewritten Pod, and it runs its artifact', async () => {
    await created('debugged', { nodeName: 'n1' });
    await kubectl(['debug', 'debugged', `--image=${TOOLS}`, '--container=shell', '--attach=false']);
    const { spec } = await get('debugged');
    assert.equal(spec?.ephemeralContainers?.[0]?.image, TOOLS_ARTIFACT);
  });

  test('adds an ephemeral container of an image that nothing accelerates, as it is', async () => {
    await created('debugged-plainly', { nodeName: 'n1' });
    await kubectl(['debug', 'debugged-plainly', `--image=${PLAIN}`, '--container=shell', '--attach=false']);
    const { spec } = await get('debugged-plainly');
    assert.equal(spec?.ephemeralContainers?.[0]?.image, PLAIN);
  });

  test('opens a shell on a node, from the artifact where the node can run it', async () => {
    await kubectl(['debug', 'node/n1', `--image=${TOOLS}`, '--attach=false']);
    const { items } = await cluster.client.list(pods, { namespace: TEAM });
    const shell = items.find(({ metadata }) => metadata.name.startsWith('node-debugger-n1-'));
    assert.ok(shell);
    assert.deepEqual(imagesOf(shell), [TOOLS_ARTIFACT]);
  });

  test('copies a rewritten Pod without its annotations, and the copy gets those that it needs to run', async () => {
    await created('copied');
    await kubectl(['debug', 'copied', `--image=${PLAIN}`, '--container=shell', '--attach=false', '--copy-to=copy']);
    const copy = await get('copy');
    assert.deepEqual(imagesOf(copy), [ARTIFACT, PLAIN]);
    assert.deepEqual(originalsOf(copy), { web: SOURCE });
    const { 'slipstream.dev/original-images': _, ...annotations } = copy.metadata.annotations ?? {};
    assert.deepEqual(annotations, RUNS_NYDUS);
    assert.equal(copy.spec?.runtimeClassName, 'nydus');
  });

  test('copies a rewritten Pod with its annotations, and the copy runs as the Pod does', async () => {
    const pod = await created('copied-whole');
    const args = ['--attach=false', '--copy-to=whole', '--keep-annotations', '--container=shell', `--image=${PLAIN}`];
    await kubectl(['debug', 'copied-whole', ...args]);
    const copy = await get('whole');
    assert.deepEqual(imagesOf(copy), [ARTIFACT, PLAIN]);
    assert.deepEqual(copy.metadata.annotations, pod.metadata.annotations);
  });

  test('copies a rewritten Pod with another image, which is rewritten in turn', async () => {
    await created('exchanged');
    await kubectl(['debug', 'exchanged', '--attach=false', '--copy-to=other', `--set-image=web=${TOOLS}`]);
    const copy = await get('other');
    assert.deepEqual(imagesOf(copy), [TOOLS_ARTIFACT]);
    assert.deepEqual(originalsOf(copy), { web: TOOLS });
  });
});

describe('a rewritten Pod that kubectl get has written out', () => {
  test('can be applied under another name, and runs the artifact', async () => {
    const pod = await created('written');
    await kubectl(['apply', '-f', '-'], await exported('written', 'again'));
    const again = await get('again');
    assert.deepEqual(imagesOf(again), [ARTIFACT]);
    const { 'kubectl.kubernetes.io/last-applied-configuration': _, ...annotations } = again.metadata.annotations ?? {};
    assert.deepEqual(annotations, pod.metadata.annotations);
    assert.deepEqual(again.spec?.nodeSelector, pod.spec?.nodeSelector);
    assert.equal(cluster.calls.at(-1)?.reason, 'AlreadyRewritten');
  });

  test('can be given its original image again by hand, and is rewritten again', async () => {
    await created('reset');
    const text = (await exported('reset', 'reset-again')).replaceAll(ARTIFACT, SOURCE);
    await kubectl(['create', '-f', '-'], text);
    const again = await get('reset-again');
    assert.deepEqual(imagesOf(again), [ARTIFACT]);
    assert.deepEqual(originalsOf(again), { web: SOURCE });
  });

  test('can be replaced by force from what kubectl get printed', async () => {
    await created('replaced');
    await kubectl(['replace', '--force', '-f', '-'], await kubectl(['get', 'pod', 'replaced', '-o', 'yaml']));
    assert.deepEqual(imagesOf(await get('replaced')), [ARTIFACT]);
  });
});

describe('a bare Pod that is applied again and again from one manifest', () => {
  for (const flags of [[], ['--server-side']]) {
    test(`${flags.join(' ')} runs the image that the manifest names from the second time on, and then nothing changes`, async () => {
      const name = `bare${flags.join('')}`;
      const apply = (): Promise<string> => kubectl(['apply', ...flags, '-f', '-'], manifest(name));
      await apply();
      assert.deepEqual(imagesOf(await get(name)), [ARTIFACT]);
      await apply();
      const second = await get(name);
      assert.deepEqual(imagesOf(second), [SOURCE]);
      await apply();
      assert.deepEqual((await get(name)).spec, second.spec);
    });
  }
});
