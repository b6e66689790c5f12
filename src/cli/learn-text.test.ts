import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from 'js-yaml';
import { propose } from '../learn/proposal.ts';
import type { Recording } from '../learn/recording.ts';
import { renderJson, renderPatch, renderTable, type Learnt } from './learn-text.ts';

const MIB = 2 ** 20;

const RECORDING: Recording = {
  image: { files: 21_417, bytes: 1659 * MIB },
  read: { files: 4, bytes: 930 * MIB, unknown: 0 },
  files: [
    { path: '/usr/bin/python3.11', bytes: 6.5 * MIB, reads: 31, after: 0 },
    { path: '/opt/model.bin', bytes: 900 * MIB, reads: 2, after: 12.3 },
    { path: '/usr/lib/python3.11/os.py', bytes: 39_504, reads: 1, after: 41.6 },
    { path: '/opt/app.py', bytes: 1024, reads: 1, after: 97 },
  ],
};
const LEARNT: Learnt = {
  target: {
    namespace: 'shop',
    pod: 'inference-7c9d8b6f54-x2x7k',
    container: 'inference',
    node: 'node-2',
    image: 'registry.example.com/shop/inference:1.4-nydus@sha256:c7c5',
    acceleratedImage: { namespace: 'shop', name: 'inference' },
  },
  recording: RECORDING,
  proposal: propose(RECORDING, 2),
};

test('a person sees what was read, the list in the order of the reads, what is not in it, and what to do', () => {
  assert.equal(
    renderTable(LEARNT),
    `\
Pod shop/inference-7c9d8b6f54-x2x7k, container inference, on node-2
runs    registry.example.com/shop/inference:1.4-nydus@sha256:c7c5
made by AcceleratedImage shop/inference

read    4 files of 21417, 930.0 MiB of 1659.0 MiB
list    2 files, 6.5 MiB, 0.4 % of the image
without 1 file too large: "/opt/model.bin" (900.0 MiB)
without 1 file read after these

FIRST READ       SIZE  READS  PATH
  +0.000 s    6.5 MiB     31  /usr/bin/python3.11
  +0.042 s  0.038 MiB      1  /usr/lib/python3.11/os.py

To apply it:
  kubectl slipstream learn pod/inference-7c9d8b6f54-x2x7k --namespace shop --container inference --output yaml |
    kubectl patch acceleratedimages inference --namespace shop --type merge --patch-file /dev/stdin
`,
  );
});

test('the patch holds the list alone, and says what it is for', () => {
  const text = renderPatch(LEARNT);
  assert.match(text, /^# 2 files, 0\.4 % of the image\. To apply it:\n# kubectl patch acceleratedimages inference /);
  const prefetchPaths = ['/usr/bin/python3.11', '/usr/lib/python3.11/os.py'];
  assert.deepEqual(load(text), { spec: { conversion: { prefetchPaths } } });
});

test('paths that YAML would read as something else come back as they were', () => {
  const odd = ['/a: b', '/#c', '/- d', "/it's", '/"quoted"', '/ünï', '/{x}'];
  const files = odd.map((path, after) => ({ path, bytes: 1, reads: 1, after }));
  const recording = { ...RECORDING, files, read: { ...RECORDING.read, files: files.length } };
  const patch = load(renderPatch({ recording, proposal: propose(recording, 256) }));
  assert.deepEqual(patch, { spec: { conversion: { prefetchPaths: odd } } });
});

test('a program gets all of it in bytes and milliseconds', () => {
  const { container, total, list } = JSON.parse(renderJson(LEARNT)) as {
    container: string;
    total: object;
    list: { bytes: number; leftOut: { late: number } };
  };
  assert.equal(container, 'inference');
  assert.deepEqual(total, RECORDING.image);
  assert.equal(list.bytes, 6.5 * MIB + 39_504);
  assert.equal(list.leftOut.late, 1);
});
