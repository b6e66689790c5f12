import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { InspectionStatus } from '../../src/api/v1alpha1/inspection.ts';
import { ConvertResult, encodeResult, TERMINATION_MESSAGE_LIMIT } from '../../src/converter/result.ts';
import type { Finding, LayerReport, Report } from '../../src/inspection/report.ts';
import { RULES } from '../../src/inspection/rules.ts';
import { summaryOf } from '../../src/inspection/summary.ts';
import { startHarness, succeeded, type ConvertOptions, type Harness } from '../converter/harness.ts';
import { MAIN, run, type Ran } from '../support/cli.ts';
import {
  buildImage,
  buildTar,
  descriptor,
  file,
  layerOf,
  pushBlobs,
  pushImage,
  pushManifest,
  stored,
} from '../support/image-builder.ts';
import { badImage } from './images.ts';

const KIB = 1024;

let harness: Harness;
let home: string;

before(async () => {
  harness = await startHarness();
  home = await mkdtemp(join(tmpdir(), 'slipstream-inspect-'));
});
after(async () => {
  await harness?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

interface Json extends Report {
  platform: string;
  digest: string;
  exceeded: { what: string; is: number; most: number }[];
}

function inspect(image: string, ...flags: string[]): Promise<Ran> {
  const args = [MAIN, 'inspect', `${harness.host}/${image}`, '--plain-http', '--platform', 'linux/amd64', ...flags];
  return run(process.execPath, args, { env: { HOME: home } });
}

async function inspectJson(image: string): Promise<Json> {
  const { code, stdout, stderr } = await inspect(image, '-o', 'json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Json;
}

async function converted(
  source: string,
  target: string,
  request: ConvertOptions['request'] = {},
): Promise<InspectionStatus> {
  const { inspection } = succeeded(
    await harness.convert(source, target, { request: { optionsHash: target, ...request } }),
  );
  assert.ok(inspection !== undefined);
  return inspection;
}

describe('what is found in an image', () => {
  let report: Json;

  before(async () => {
    await pushImage(harness.host, 'bad', '1', [await badImage()]);
    report = await inspectJson('bad:1');
  });

  function found(code: keyof typeof RULES): Pick<Finding, 'bytes' | 'layer' | 'message'>[] {
    const found = report.findings.filter((finding) => finding.code === code);
    return found.map(({ bytes, layer, message }) => ({ bytes, ...(layer === undefined ? {} : { layer }), message }));
  }

  test('has a finding for every rule, each with the bytes, the layer and its command', () => {
    const codes = new Set(report.findings.map(({ code }) => code));
    assert.deepEqual([...codes].toSorted(), Object.keys(RULES).toSorted());
    assert.deepEqual(
      report.layers.map(({ command }: LayerReport) => command),
      ['COPY rootfs /', 'RUN pip install x && chown -R 1000 /opt', 'COPY file:0 in /etc'],
    );
    const [git] = report.findings.filter(({ code }) => code === 'VersionControl');
    assert.equal(git?.command, 'RUN pip install x && chown -R 1000 /opt');
  });

  test('counts what layers above delete, also in folders, and of a file with two names only when both are gone', () => {
    assert.deepEqual(found('DeletedFiles'), [
      { bytes: 230 * KIB, layer: 2, message: 'deletes 2 files of layers below, such as /opt/gone (200 KiB)' },
      { bytes: 40 * KIB, layer: 3, message: 'deletes 1 file of layers below: /opt/linked/first' },
    ]);
  });

  test('says of files that are written again whether only their owner or mode changed', () => {
    const message = 'writes 1 file of layers below again: /opt/chowned; of all, the content is the same';
    assert.deepEqual(found('OverwrittenFiles'), [{ bytes: 1100 * KIB, layer: 2, message }]);
    assert.equal(report.wastedBytes, (1100 + 230 + 40) * KIB);
  });

  test('finds copies by their content, and no copy in a second name', () => {
    const message = '1 file with content that is below: /app/copy, a copy of /usr/lib/another-name of layer 1';
    assert.deepEqual(found('DuplicateFiles'), [{ bytes: 50 * KIB, layer: 2, message }]);
  });

  test('finds caches, tools and leavings by where they are', () => {
    assert.deepEqual(found('PackageCache'), [
      { bytes: 300 * KIB, layer: 1, message: 'apt lists: 1 file: /var/lib/apt/lists/deb' },
      { bytes: 120 * KIB, layer: 2, message: 'pip: 1 file: /root/.cache/pip/wheel' },
    ]);
    const tools = 'compilers, headers, static libraries: 3 files, such as /usr/bin/gcc-13 (90.0 KiB)';
    assert.deepEqual(found('BuildTools'), [{ bytes: 119 * KIB, layer: 1, message: tools }]);
    assert.deepEqual(found('CoreDumps'), [{ bytes: 80 * KIB, layer: 2, message: '1 file: /app/core.17' }]);
  });

  test('finds what others may write to or run as somebody else, but no sticky folder and no symbolic link', () => {
    const open = 'everybody may write to 1 file and 1 folder, such as /work/open (5.00 KiB)';
    assert.deepEqual(found('WorldWritable'), [{ bytes: 5 * KIB, layer: 1, message: open }]);
    assert.deepEqual(found('SetuidFiles'), [{ bytes: 70 * KIB, layer: 1, message: '1 file: /usr/bin/su' }]);
  });

  test('has an efficiency by the formula of dive', () => {
    // Of /opt/chowned one version counts, of what is deleted none.
    assert.equal(report.efficiency, (report.size - (1100 + 230 + 40) * KIB) / report.size);
  });

  for (const format of ['RafsV6', 'RafsV5', 'Zran'] as const) {
    test(`is the same in the status of a conversion to ${format}`, async () => {
      const target = `bad:1-${format.toLowerCase()}`;
      assert.deepEqual(await converted('bad:1', target, { format }), summaryOf(report, 'linux/amd64'));
    });
  }

  test('is the same where every layer was taken over, and where the whole artifact was there already', async () => {
    const expected = summaryOf(report, 'linux/amd64');
    await converted('bad:1', 'bad:first');
    const target = 'elsewhere:second';
    const reuse = [`${harness.host}/bad:first`];
    const again = succeeded(await harness.convert('bad:1', target, { request: { optionsHash: 'o', reuse } }));
    assert.deepEqual(again.layers, { total: 3, reused: 3 });
    assert.deepEqual(again.inspection, expected);
    const whole = succeeded(await harness.convert('bad:1', target, { request: { optionsHash: 'o' } }));
    assert.equal(whole.bytesRead, 0);
    assert.deepEqual(whole.inspection, expected);
  });

  test('costs a conversion no byte from the registry', async () => {
    const result = succeeded(await harness.convert('bad:1', 'bad:bytes'));
    assert.equal(
      result.bytesRead,
      report.layers.reduce((sum, { stored: bytes }) => sum + bytes, 0),
    );
  });

  test('fits into a termination message, with a number in place of what does not', async () => {
    const result = succeeded(await harness.convert('bad:1', 'bad:message'));
    const long = { ...result, image: 'r'.repeat(1200), builder: 'b'.repeat(128) };
    const text = encodeResult(long);
    assert.ok(Buffer.byteLength(text) <= TERMINATION_MESSAGE_LIMIT);
    const read = ConvertResult.parse(JSON.parse(text));
    assert.ok(read.ok && read.inspection !== undefined);
    const { findings, moreFindings = 0 } = read.inspection;
    assert.ok(findings.length > 0);
    assert.equal(findings.length + moreFindings, report.findings.length);
  });
});

describe('slipstream inspect', () => {
  test('prints a table, and ends with 1 where the image is over its budget', async () => {
    await pushImage(harness.host, 'table', '1', [await badImage()]);
    const { code, stdout } = await inspect('table:1', '--budget-wasted-bytes', '1Mi', '--budget-layers', '3');
    assert.equal(code, 1);
    assert.match(stdout, /Warning +2 +230 KiB +DeletedFiles: deletes 2 files/);
    assert.match(stdout, /over budget: it wastes 1\.34 MiB, 1\.00 MiB are allowed/);
    assert.doesNotMatch(stdout, /secret|layers, 3 are allowed/);
  });

  test('takes credentials from the Docker configuration, and says nothing of them', async () => {
    const auths = { [harness.host]: { username: 'somebody', password: 'hidden' } };
    await writeFile(join(home, 'config.json'), JSON.stringify({ auths }));
    await pushImage(harness.host, 'login', '1', [await badImage()]);
    const args = [MAIN, 'inspect', `${harness.host}/login:1`, '--plain-http', '--platform', 'linux/amd64'];
    const { code, stdout, stderr } = await run(process.execPath, args, { env: { DOCKER_CONFIG: home } });
    assert.equal(code, 0, stderr);
    assert.ok(!`${stdout}${stderr}`.includes('hidden'));
  });

  test('says of a pinned image for a user of its own nothing, and of a history of other layers no command', async () => {
    const layer = layerOf(await buildTar([file('app', 'content')]));
    const image = buildImage([layer, layerOf(await buildTar([file('more', 'content')]))], {
      config: { User: '1000:1000' },
      annotations: { 'org.opencontainers.image.base.digest': `sha256:${'0'.repeat(64)}` },
      history: [{ created_by: 'one step for two layers' }],
    });
    await pushImage(harness.host, 'good', '1', [image]);
    const { findings, layers, efficiency } = await inspectJson('good:1');
    assert.deepEqual([findings, efficiency], [[], 1]);
    assert.deepEqual(
      layers.map(({ command }) => command),
      [undefined, undefined],
    );
  });

  test('says of a chart that it is no image, and of a layer that is no file system which one', async () => {
    const config = stored('application/vnd.cncf.helm.config.v1+json', { name: 'chart' });
    const content = stored('application/vnd.cncf.helm.chart.content.v1.tar+gzip', 'a chart');
    await pushBlobs(harness.host, 'chart', [config, content]);
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const manifest = { schemaVersion: 2, mediaType, config: descriptor(config), layers: [descriptor(content)] };
    await pushManifest(harness.host, 'chart', '1', stored(mediaType, manifest));
    const chart = await inspect('chart:1');
    assert.equal(chart.code, 1);
    assert.match(chart.stderr, /chart:1 is no container image/);

    const noTar = { compression: 'none' as const, body: Buffer.alloc(2000, 'no tar'), tar: Buffer.alloc(0) };
    await pushImage(harness.host, 'no-tar', '1', [buildImage([noTar])]);
    const { code, stderr } = await inspect('no-tar:1');
    assert.equal(code, 1);
    assert.match(stderr, /^slipstream: layer sha256:[0-9a-f]{64} cannot be inspected: its tar is broken/);
  });

  test('does not follow a path out of the image', async () => {
    const layer = layerOf(await buildTar([file('../../etc/passwd', 'x')]));
    await pushImage(harness.host, 'hostile', '1', [buildImage([layer])]);
    const { code, stderr } = await inspect('hostile:1');
    assert.equal(code, 1);
    assert.match(stderr, /leads out of the image/);
  });

  test('ends with 2 for arguments that make no sense, and says what to type', async () => {
    const { code, stderr } = await inspect('bad:1', '--budget-size', 'much');
    assert.equal(code, 2);
    assert.match(stderr, /--budget-size much is no number of bytes/);
  });
});
