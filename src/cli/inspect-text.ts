import { formatBytes } from '../api/v1alpha1/bytes.ts';
import { describeExcess, type Excess } from '../inspection/budget.ts';
import type { Finding, Report } from '../inspection/report.ts';
import { RULES } from '../inspection/rules.ts';

/** Of a terminal that does not say. */
const COLUMNS = 120;
/** Characters of a command that are worth a line, however narrow the terminal. */
const LEAST = 24;

/** What was inspected. */
export interface Inspected {
  /** As it was typed. */
  readonly image: string;
  /** Digest of the platform's manifest. */
  readonly digest: string;
  readonly platform: string;
  readonly report: Report;
  readonly exceeded: readonly Excess[];
}

/** What was found, for a person. */
export function renderInspection({ image, digest, platform, report, exceeded }: Inspected, columns = COLUMNS): string {
  const { size, layers, wastedBytes, efficiency, findings } = report;
  const stored = layers.reduce((sum, layer) => sum + layer.stored, 0);
  const remedies = [...new Set(findings.map(({ code }) => code))];
  return [
    image,
    `  ${platform}, ${digest}`,
    `  ${formatBytes(size)} of files in ${layers.length} layers (${formatBytes(stored)} stored), ${formatBytes(wastedBytes)} wasted, efficiency ${percent(efficiency)}`,
    '',
    ...table(
      [
        ['LAYER', 'STORED', 'FILES', 'COMMAND'],
        ...layers.map((layer, i) => [
          String(i + 1),
          formatBytes(layer.stored),
          formatBytes(layer.size),
          layer.command ?? '?',
        ]),
      ],
      columns,
    ),
    '',
    ...(findings.length === 0
      ? ['  nothing to complain about']
      : table([['SEVERITY', 'LAYER', 'BYTES', 'FINDING'], ...findings.map(row)])),
    ...(remedies.length === 0 ? [] : ['']),
    ...remedies.map((code) => `  ${code}: ${RULES[code].remedy}.`),
    ...(exceeded.length === 0 ? [] : ['', ...exceeded.map((excess) => `  over budget: ${describeExcess(excess)}`)]),
    '',
  ].join('\n');
}

/** The same facts for programs. Sizes are bytes. */
export function renderInspectionJson({ report, ...rest }: Inspected): string {
  return `${JSON.stringify({ ...rest, ...report }, undefined, 2)}\n`;
}

function row({ severity, code, layer, bytes, message }: Finding): string[] {
  return [
    severity,
    layer === undefined ? '-' : String(layer),
    bytes === 0 ? '-' : formatBytes(bytes),
    `${code}: ${message}`,
  ];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** @param columns where given, no line is longer. */
function table(rows: readonly string[][], columns = Infinity): string[] {
  const last = (rows[0]?.length ?? 1) - 1;
  const widths = Array.from({ length: last }, (_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const room = Math.max(LEAST, columns - 2 - widths.reduce((sum, width) => sum + width + 2, 0));
  return rows.map((cells) => {
    const text = cells[last] ?? '';
    const fits = text.length > room ? `${text.slice(0, room - 1)}…` : text;
    return `  ${[...cells.slice(0, last).map((cell, i) => cell.padEnd(widths[i] ?? 0)), fits].join('  ')}`;
  });
}
