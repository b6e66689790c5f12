import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FINDING_TEXT, LISTED_FINDINGS } from '../api/v1alpha1/inspection.ts';
import type { LayerEntry } from './entry.ts';
import { inspectImage, MAX_ENTRIES, TooManyFilesError, type ImageFacts, type Report } from './report.ts';
import { fitted, summaryOf } from './summary.ts';

const FACTS: ImageFacts = {
  layers: [],
  history: [],
  user: '1000',
  annotations: { [annotation('digest')]: 'sha256:0' },
};

function annotation(name: string): string {
  return `org.opencontainers.image.base.${name}`;
}

function reportOf(facts: Partial<ImageFacts>, ...layers: LayerEntry[][]): Report {
  const inspection = inspectImage({ ...FACTS, layers: layers.map(() => ({ digest: 'sha256:0', size: 1 })), ...facts });
  for (const layer of layers) {
    inspection.layer(layer);
  }
  return inspection.report();
}

function codes(facts: Partial<ImageFacts>, ...layers: LayerEntry[][]): string[] {
  return reportOf(facts, ...layers).findings.map(({ code }) => code);
}

function file(path: string, more: Partial<LayerEntry> = {}): LayerEntry {
  return { path, kind: 'file', mode: 0o644, size: 10, ...more };
}

test('root is root under each of its names', () => {
  const roots = ['', 'root', '0', '0:1000', 'root:root', '000'].map((user) => codes({ user }));
  assert.deepEqual(
    roots,
    Array.from({ length: 6 }, () => ['RootUser']),
  );
  assert.deepEqual(codes({ user: undefined }), ['RootUser']);
  assert.deepEqual([codes({ user: '1000' }), codes({ user: 'app:0' }), codes({ user: 'rooty' })], [[], [], []]);
});

test('a base is pinned by its digest alone', () => {
  const { findings } = reportOf({ annotations: { [annotation('name')]: 'docker.io/library/debian:13' } });
  assert.equal(findings[0]?.message, 'nothing says which version of docker.io/library/debian:13 it is built on');
});

test('what is hidden by a layer above is wasted, but endangers nobody', () => {
  const dangerous = file('su', { mode: 0o4777 });
  assert.deepEqual(codes({}, [dangerous]), ['SetuidFiles', 'WorldWritable']);
  assert.deepEqual(codes({}, [dangerous], [file('.wh.su', { size: 0 })]), ['DeletedFiles']);
});

test('copies are told by content, across layers, and not where a file is only written again', () => {
  const big = { size: 4096, content: 'same' };
  assert.deepEqual(codes({}, [file('a', big)], [file('b', big)]), ['DuplicateFiles']);
  assert.deepEqual(codes({}, [file('a', big), file('b', big)]), []);
  assert.deepEqual(codes({}, [file('a', big)], [file('a', big)]), ['OverwrittenFiles']);
  assert.deepEqual(codes({}, [file('a', { size: 4095 })], [file('b', { size: 4095 })]), []);
});

test('a message shows no control characters of a hostile name, and not all of a long one', () => {
  const { findings } = reportOf({}, [file(`tmp/${'x'.repeat(200)}/\u001B[2J\u202Eevil`)]);
  const message = findings[0]?.message ?? '';
  assert.match(message, /^1 file: \/…x+\/\?\[2J\?evil$/);
  assert.ok(message.length < 120);
});

test('an image of too many files is not looked at, and the error says so', () => {
  const inspection = inspectImage(FACTS);
  const half = Array.from({ length: MAX_ENTRIES / 2 }, () => file('same'));
  inspection.layer(half);
  inspection.layer(half);
  assert.throws(() => inspection.layer([file('one more')]), TooManyFilesError);
});

test('a summary lists the gravest findings, short, and says how many more there are', () => {
  const layers = Array.from({ length: 15 }, (_, i) => [file(`tmp/${i}`), file(`su-${i}`, { mode: 0o4755, size: i })]);
  const history = layers.map(() => ({ created_by: `RUN ${'😀'.repeat(500)}` }));
  const summary = summaryOf(reportOf({ history }, ...layers), 'linux/amd64');
  assert.equal(summary.findings.length, LISTED_FINDINGS);
  assert.equal(summary.moreFindings, 20);
  assert.deepEqual(new Set(summary.findings.map(({ code }) => code)), new Set(['SetuidFiles']));
  assert.equal(summary.findings[0]?.bytes, 14);
  for (const { command = '' } of summary.findings) {
    assert.ok(command.length <= FINDING_TEXT.command && command.isWellFormed());
  }
  const shorter = fitted(summary, 1000);
  assert.equal((shorter?.findings.length ?? 0) + (shorter?.moreFindings ?? 0), 30);
  assert.equal(fitted(summary, 10), undefined);
});
