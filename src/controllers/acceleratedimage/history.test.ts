import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remember, tagsOf, tooMany, type HistoryEntry } from './history.ts';

const place = 'registry.test/web';

function artifact(letter: string) {
  const digest = `sha256:${letter.repeat(64)}`;
  return {
    image: `${place}:1-nydus@${digest}`,
    digest,
    sourceDigest: `sha256:${'5'.repeat(64)}`,
    format: 'RafsV6',
    builder: 'v2.2.0',
    convertedAt: '2026-01-01T00:00:00Z',
    platforms: [],
  };
}

const own = (letter: string): string => `${place}:1-nydus-${letter.repeat(12)}`;
const moving = `${place}:1-nydus`;

function converted(history: HistoryEntry[], letter: string, made: string[]): HistoryEntry[] {
  return remember(history, artifact(letter), { names: tagsOf(artifact(letter)), made });
}

const tags = (history: HistoryEntry[]) => history.map(({ digest, tags: all }) => [digest.at(-1), all ?? []]);

test('an artifact is remembered with the tags that were made for it, the newest first', () => {
  const history = converted(converted([], 'a', [own('a'), moving]), 'b', [own('b')]);
  assert.deepEqual(tags(history), [
    ['b', [own('b'), moving]],
    ['a', [own('a')]],
  ]);
  assert.equal(history[1]?.image, `${own('a')}@${artifact('a').digest}`);
});

test('a tag that was there before the object is not its own, however often it moves it', () => {
  const history = converted(converted([], 'a', [own('a')]), 'b', [own('b')]);
  assert.deepEqual(tags(history), [
    ['b', [own('b')]],
    ['a', [own('a')]],
  ]);
});

test('an artifact that comes back is the current one again, with what was made for it', () => {
  const both = converted(converted([], 'a', [own('a'), moving]), 'b', [own('b')]);
  assert.deepEqual(tags(converted(both, 'a', [])), [
    ['a', [own('a'), moving]],
    ['b', [own('b')]],
  ]);
});

test('too many are those after the newest, and never the current one', () => {
  const history = ['a', 'b', 'c', 'd'].reduce<HistoryEntry[]>((so, letter) => converted(so, letter, [own(letter)]), []);
  const left = (keep: number) => tooMany(history, artifact('d').digest, keep).map(({ digest }) => digest.at(-1));
  assert.deepEqual([left(0), left(2), left(3)], [['c', 'b', 'a'], ['a'], []]);
});

test('no more is remembered than a status may hold', () => {
  let history: HistoryEntry[] = [];
  for (let i = 0; i < 80; i += 1) {
    const digest = `sha256:${String(i).padStart(64, '0')}`;
    history = remember(history, { ...artifact('a'), digest }, { names: [], made: [`${place}:${i}`] });
  }
  assert.equal(history.length, 64);
});
