import type { LayerEntry } from './entry.ts';
import { commandsOf, type HistoryStep } from './commands.ts';
import { findingsOf, type FindingGroup, type Gather } from './findings.ts';
import { findDuplicates, lookAround } from './look.ts';
import { RULES, type Code, type Severity } from './rules.ts';
import { efficiencyOf, emptyStack, layOver } from './stack.ts';

/** Files, folders and links of all layers of one image that are looked at; of an image with more, nothing is said. */
export const MAX_ENTRIES = 2_000_000;

/** An image has more files than are looked at. */
export class TooManyFilesError extends Error {
  override name = 'TooManyFilesError';

  constructor() {
    super(`the layers of the image have more than ${MAX_ENTRIES} files: it is too big to be inspected`);
  }
}

/** What was found in an image. */
export interface Finding {
  readonly code: Code;
  readonly severity: Severity;
  readonly message: string;
  /** Bytes of the files that it is about, not compressed. */
  readonly bytes: number;
  /** Number of its layer, 1 for the lowest; absent where it is about the image as a whole. */
  readonly layer?: number;
  /** What made that layer, as far as the image says. */
  readonly command?: string;
}

/** One layer of the report. */
export interface LayerReport {
  readonly digest: string;
  /** Bytes as the registry stores them. */
  readonly stored: number;
  /** Bytes of its files. */
  readonly size: number;
  readonly command?: string;
}

/** What there is to say about an image. */
export interface Report {
  /** Bytes of the files of all layers, not compressed. */
  readonly size: number;
  readonly layers: readonly LayerReport[];
  /** Bytes of files that layers above delete or overwrite. */
  readonly wastedBytes: number;
  /** 0 to 1, see {@link efficiencyOf}. */
  readonly efficiency: number;
  /** The gravest first, and of these the biggest. */
  readonly findings: readonly Finding[];
}

/** What the documents of an image say. */
export interface ImageFacts {
  readonly layers: readonly { readonly digest: string; readonly size: number }[];
  readonly history: readonly HistoryStep[];
  /** `User` of its config. */
  readonly user: string | undefined;
  /** Annotations of its manifest. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** Takes the layers of an image from the lowest up, and then says what was found. */
export interface Inspection {
  /** @throws TooManyFilesError */
  layer(entries: readonly LayerEntry[]): void;
  report(): Report;
}

/** Inspects an image. What its layers have is needed one at a time only. */
export function inspectImage(facts: ImageFacts): Inspection {
  const stack = emptyStack();
  const groups: FindingGroup[] = [];
  const sizes: number[] = [];
  let entries = 0;
  let wastedBytes = 0;
  const { gather, groupsOfAll } = gathering(groups);
  return {
    layer(more) {
      entries += more.length;
      if (entries > MAX_ENTRIES) {
        throw new TooManyFilesError();
      }
      const before = stack.bytes;
      layOver(stack, more, ({ file, path, by, how, isSame }) => {
        wastedBytes += file.size;
        const code = how === 'deleted' ? 'DeletedFiles' : 'OverwrittenFiles';
        gather(code, by, path, file.size, { kind: isSame ? 'same' : undefined });
      });
      sizes.push(stack.bytes - before);
    },
    report() {
      lookAround(stack, gather);
      findDuplicates(stack, gather);
      const commands = commandsOf(facts.history, facts.layers.length);
      return {
        size: stack.bytes,
        layers: facts.layers.map(({ digest, size }, i) =>
          withCommand({ digest, stored: size, size: sizes[i] ?? 0 }, commands[i]),
        ),
        wastedBytes,
        efficiency: efficiencyOf(stack),
        findings: [...findingsOf(groupsOfAll(), commands), ...wholeImage(facts)].toSorted(byWeight),
      };
    },
  };
}

function gathering(groups: FindingGroup[]): { gather: Gather; groupsOfAll: () => FindingGroup[] } {
  const known = new Map<string, FindingGroup>();
  const gather: Gather = (code, layer, path, size, { kind, of } = {}) => {
    const key = `${code} ${layer}`;
    let group = known.get(key);
    if (group === undefined) {
      group = { code, layer, files: 0, bytes: 0, example: { path, size }, kinds: new Map(), of };
      known.set(key, group);
      groups.push(group);
    }
    group.files += 1;
    group.bytes += size;
    if (kind !== undefined) {
      group.kinds.set(kind, (group.kinds.get(kind) ?? 0) + 1);
    }
    // The same one in whatever order they come.
    if (size > group.example.size || (size === group.example.size && path < group.example.path)) {
      group.example = { path, size };
      group.of = of;
    }
  };
  return { gather, groupsOfAll: () => groups };
}

const BASE_DIGEST = 'org.opencontainers.image.base.digest';
const BASE_NAME = 'org.opencontainers.image.base.name';

function wholeImage({ user, annotations }: ImageFacts): Finding[] {
  const name = (user ?? '').split(':', 1)[0]?.trim() ?? '';
  const base = annotations[BASE_NAME];
  const found = (code: Code, message: string): Finding => ({ code, severity: RULES[code].severity, message, bytes: 0 });
  return [
    ...(name === '' || name === 'root' || /^0+$/.test(name)
      ? [
          found(
            'RootUser',
            name === '' ? 'the config names no user, so it runs as root' : 'the config names the user root',
          ),
        ]
      : []),
    ...(annotations[BASE_DIGEST] === undefined
      ? [
          found(
            'UnpinnedBase',
            `nothing says which version of ${base === undefined ? 'its base' : shownPath(base)} it is built on`,
          ),
        ]
      : []),
  ];
}

function shownPath(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?').slice(0, 100);
}

function withCommand<T extends object>(of: T, command: string | undefined): T & { command?: string } {
  return command === undefined ? of : { ...of, command };
}

function byWeight(a: Finding, b: Finding): number {
  const grave = ({ severity }: Finding): number => (severity === 'Warning' ? 0 : 1);
  return grave(a) - grave(b) || b.bytes - a.bytes || (a.layer ?? 0) - (b.layer ?? 0) || (a.code < b.code ? -1 : 1);
}
