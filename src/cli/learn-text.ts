import { dump } from 'js-yaml';
import type { Proposal } from '../learn/proposal.ts';
import type { Recording } from '../learn/recording.ts';
import type { LearnTarget } from './learn-target.ts';

/** What the command has learnt. */
export interface Learnt {
  /** What it was learnt from; absent with a records file. */
  readonly target?: LearnTarget;
  readonly recording: Recording;
  readonly proposal: Proposal;
}

/** Files that did not make the list are named up to this number. */
const NAMED = 5;

/** Writes a list for a person: what was read, the files in the order of their first reads, and what to do with them. */
export function renderTable({ target, recording, proposal }: Learnt): string {
  const { image, read } = recording;
  const { files, bytes, share } = proposal;
  const rows = files.map((file) => [seconds(file.after), mebibytes(file.bytes), String(file.reads), file.path]);
  return [
    ...(target === undefined ? [] : [...heading(target), '']),
    `read    ${count(read.files, 'file')} of ${image.files}, ${mebibytes(read.bytes)} of ${mebibytes(image.bytes)}`,
    `list    ${count(files.length, 'file')}, ${mebibytes(bytes)}, ${percent(share)} of the image`,
    ...leftOut(proposal),
    '',
    ...columns([['FIRST READ', 'SIZE', 'READS', 'PATH'], ...rows]),
    '',
    ...(target === undefined ? [] : [`To apply it:\n  ${applying(target)}`]),
    '',
  ].join('\n');
}

/** Writes the list as a patch of an AcceleratedImage. */
export function renderPatch({ target, proposal }: Learnt): string {
  const { name = 'NAME', namespace = 'NAMESPACE' } = target?.acceleratedImage ?? {};
  const patch = { spec: { conversion: { prefetchPaths: proposal.files.map(({ path }) => path) } } };
  return (
    `# ${count(proposal.files.length, 'file')}, ${percent(proposal.share)} of the image. To apply it:\n` +
    `# kubectl patch acceleratedimages ${name} --namespace ${namespace} --type merge --patch-file FILE\n` +
    dump(patch)
  );
}

/** The same facts for programs. Sizes are bytes, times milliseconds. */
export function renderJson({ target, recording, proposal }: Learnt): string {
  const { image, read } = recording;
  return `${JSON.stringify({ ...target, total: image, read, list: proposal }, undefined, 2)}\n`;
}

function heading({ namespace, pod, container, node, image, acceleratedImage }: LearnTarget): string[] {
  const { name, namespace: where } = acceleratedImage ?? {};
  return [
    `Pod ${namespace}/${pod}, container ${container}, on ${node}`,
    `runs    ${image}`,
    ...(name === undefined ? [] : [`made by AcceleratedImage ${where}/${name}`]),
  ];
}

function leftOut({ leftOut: { tooLarge, unlistable, late } }: Proposal): string[] {
  const named = (files: Proposal['files']): string =>
    files
      .slice(0, NAMED)
      .map(({ path, bytes }) => `${JSON.stringify(path)} (${mebibytes(bytes)})`)
      .join(', ') + (files.length > NAMED ? ', …' : '');
  return [
    ...(tooLarge.length === 0 ? [] : [`without ${count(tooLarge.length, 'file')} too large: ${named(tooLarge)}`]),
    ...(unlistable.length === 0
      ? []
      : [`without ${count(unlistable.length, 'file')} that a list cannot name: ${named(unlistable)}`]),
    ...(late === 0 ? [] : [`without ${count(late, 'file')} read after these`]),
  ];
}

function applying({ namespace, pod, container, acceleratedImage }: LearnTarget): string {
  const { name = 'NAME', namespace: where = 'NAMESPACE' } = acceleratedImage ?? {};
  return (
    `kubectl slipstream learn pod/${pod} --namespace ${namespace} --container ${container} --output yaml |\n` +
    `    kubectl patch acceleratedimages ${name} --namespace ${where} --type merge --patch-file /dev/stdin`
  );
}

/** Right-aligned columns, but for the last. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padStart(widths[column] ?? 0))).join('  '),
  );
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function seconds(ms: number): string {
  return `+${(ms / 1000).toFixed(3)} s`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 3 : 1)} MiB`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
