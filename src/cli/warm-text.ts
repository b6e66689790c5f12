import { formatBytes } from '../api/v1alpha1/bytes.ts';
import type { ImageReport, SeedReport } from './warm-report.ts';

/** What was warmed in place of what was named, and why. */
export interface WarmSubject {
  /** As it was typed. */
  readonly named: string;
  /** What was warmed. */
  readonly image: string;
  /** `namespace/name` of the AcceleratedImage whose artifact that is. */
  readonly acceleratedImage?: string | undefined;
  /** Why new Pods run what was named although an AcceleratedImage names it. */
  readonly left?: string | undefined;
}

/** Says what is about to be warmed, where that is not just what was typed. */
export function renderSubject({ image, acceleratedImage, left }: WarmSubject): string {
  if (acceleratedImage !== undefined) {
    return `New Pods run what AcceleratedImage ${acceleratedImage} has made of it: ${image} (--as-is takes what was named)\n`;
  }
  return left === undefined ? '' : `New Pods run it as it is: ${left}\n`;
}

/** What is warm where, for a person. */
export function renderReports(reports: readonly ImageReport[]): string {
  return reports.map(renderReport).join('\n');
}

function renderReport({ image, digest, platform, blobs, bytes, seeds }: ImageReport): string {
  const size = formatBytes(bytes);
  const rows = [
    ['SEED PEER', 'BLOBS', 'BYTES', 'STATE'],
    ...seeds.map((seed) => [
      seed.seed,
      `${seed.blobs}/${blobs}`,
      `${formatBytes(seed.bytes)} of ${size}`,
      stateOf(seed),
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const table = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return `${[image, `  ${platform}, ${digest}`, ...table.map((line) => `  ${line}`)].join('\n')}\n`;
}

function stateOf({ warm, cold }: SeedReport): string {
  const reasons = cold.map(({ reason, blobs, message }) => `${reason}${blobs === 1 ? '' : ` (${blobs})`}: ${message}`);
  return warm ? 'warm' : reasons.join('; ');
}

/** The same facts for programs. Sizes are bytes. */
export function renderWarmJson(subject: WarmSubject, reports: readonly ImageReport[], warm: boolean): string {
  return `${JSON.stringify({ ...subject, warm, images: reports }, undefined, 2)}\n`;
}
