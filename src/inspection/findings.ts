import { formatBytes } from '../api/v1alpha1/bytes.ts';
import type { Finding } from './report.ts';
import { RULES, type Code } from './rules.ts';

/** Characters of a path in a message. */
const PATH_SHOWN = 80;

/** What was found of one kind in one layer. */
export interface FindingGroup {
  readonly code: Code;
  /** 0 for the lowest. */
  readonly layer: number;
  files: number;
  bytes: number;
  /** The biggest. */
  example: { path: string; size: number };
  /** Files by what sets them apart within the kind. */
  readonly kinds: Map<string, number>;
  /** What the example is a copy of. */
  of: string | undefined;
}

/** Takes a file into its group. */
export type Gather = (
  code: Code,
  layer: number,
  path: string,
  size: number,
  more?: { kind?: string | undefined; of?: string | undefined },
) => void;

/** The findings of the layers. */
export function findingsOf(groups: readonly FindingGroup[], commands: readonly (string | undefined)[]): Finding[] {
  return groups.map((group) => {
    const command = commands[group.layer];
    return {
      code: group.code,
      severity: RULES[group.code].severity,
      message: messageOf(group),
      bytes: group.bytes,
      layer: group.layer + 1,
      ...(command === undefined ? {} : { command }),
    };
  });
}

function messageOf(group: FindingGroup): string {
  const { code, files, kinds, of } = group;
  const many = `${files} ${files === 1 ? 'file' : 'files'}`;
  const such = suchAs(group);
  switch (code) {
    case 'DeletedFiles':
      return `deletes ${many} of layers below${such}`;
    case 'OverwrittenFiles': {
      const same = kinds.get('same') ?? 0;
      const unchanged = same === 0 ? '' : `; of ${same === files ? 'all' : same}, the content is the same`;
      return `writes ${many} of layers below again${such}${unchanged}`;
    }
    case 'DuplicateFiles':
      return `${many} with content that is below${such}${of === undefined ? '' : `, a copy of ${shown(of)}`}`;
    case 'WorldWritable': {
      const folders = kinds.get('folders') ?? 0;
      const what = [
        ...(files > folders ? [`${files - folders} ${files - folders === 1 ? 'file' : 'files'}`] : []),
        ...(folders > 0 ? [`${folders} ${folders === 1 ? 'folder' : 'folders'}`] : []),
      ];
      return `everybody may write to ${what.join(' and ')}${such}`;
    }
    default: {
      const names = [...kinds.keys()].toSorted().join(', ');
      return `${names === '' ? '' : `${names}: `}${many}${such}`;
    }
  }
}

/** An example, with its size where it is not the whole. */
function suchAs({ files, example: { path, size } }: FindingGroup): string {
  return `${files === 1 ? ':' : ', such as'} /${shown(path)}${files === 1 || size === 0 ? '' : ` (${formatBytes(size)})`}`;
}

/** A path of an image as it may stand in a message. */
function shown(path: string): string {
  const text = Array.from(path.replaceAll(/\p{C}/gu, '?'));
  return text.length > PATH_SHOWN ? `…${text.slice(-PATH_SHOWN).join('')}` : text.join('');
}
