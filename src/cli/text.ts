import { UNKNOWN } from './limits.ts';
import type { ContainerReport, ImageState, Report } from './report.ts';

/** Characters of a line's label with the space behind it. */
const LABEL_WIDTH = 14;

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Writes reports for a terminal: a block for each, and in it one for each container. Nothing is coloured. */
export function renderText(reports: readonly Report[], now: Date): string {
  return reports.map((report) => `${renderReport(report, now).join('\n')}\n`).join('\n');
}

function renderReport(report: Report, now: Date): readonly string[] {
  const { kind, namespace, name, admission, containers, unknown, notes } = report;
  return [
    `${kind} ${namespace}/${name}`,
    ...(admission === undefined ? [] : [line(2, 'at admission', admitted(admission, now))]),
    line(2, kind === 'Pod' ? 'now' : 'its Pods', outcomeOf(report)),
    ...(isSaidBelow(report) || report.remedy === undefined ? [] : [line(2, 'remedy', report.remedy)]),
    ...containers.flatMap((container) => ['', ...renderContainer(container, now)]),
    ...(unknown.length === 0 ? [] : ['', '  not known']),
    ...unknown.map(({ right, unknown: what }) => `    ${what} (you may not ${right})`),
    ...notes.flatMap((note) => ['', `  ${note}`]),
  ];
}

function renderContainer(container: ContainerReport, now: Date): readonly string[] {
  const { name, kind, image, runs, acceleratedImage, state, artifact, skips } = container;
  return [
    `  ${kind === 'main' ? '' : `${kind} `}container ${name}`,
    line(4, 'image', image),
    ...(runs === undefined ? [] : [line(4, 'runs', runs)]),
    ...(acceleratedImage === undefined ? [] : [line(4, 'named by', `AcceleratedImage ${acceleratedImage}`)]),
    ...(state === undefined ? [] : [line(4, '', stateOf(state, now))]),
    ...(artifact === undefined ? [] : [line(4, 'rewritten', artifact === runs ? 'to what it runs' : artifact)]),
    ...skips.flatMap(({ reason, message, remedy }) => [
      reason === UNKNOWN ? line(4, 'unknown', message) : line(4, 'left', `${reason}: ${message}`),
      line(4, 'remedy', remedy),
    ]),
  ];
}

function admitted({ rewrite, at }: NonNullable<Report['admission']>, now: Date): string {
  const ago = at === undefined ? '' : `, ${ageOf(at, now)} ago`;
  return rewrite === null
    ? `nothing noted${ago}: no AcceleratedImage named an image of it then, or Slipstream was not asked`
    : `${rewrite.replace('skipped:', 'left as it was:')}${ago}`;
}

function outcomeOf(report: Report): string {
  const { kind, admission, outcome, reason, message, unknown } = report;
  const would = kind !== 'Pod' ? 'will be' : admission === undefined ? 'it will be' : 'a new Pod like it would be';
  switch (outcome) {
    case 'Rewritten':
      return `${would} rewritten${unknown.length === 0 ? '' : ', as far as can be told'}`;
    case 'Skipped':
      return `${would} left as ${kind === 'Pod' ? 'it is' : 'they are'}: ${reason}${isSaidBelow(report) ? '' : `: ${message}`}`;
    case 'Unknown':
      return 'cannot be told';
  }
}

function isSaidBelow({ reason, containers }: Report): boolean {
  return containers.some(({ skips }) => skips.some((skip) => skip.reason === reason));
}

function stateOf({ ready, reason, message, since, resolvedAt, interval, convertedAt }: ImageState, now: Date): string {
  const held = since === undefined ? '' : ` for ${ageOf(since, now)}`;
  return [
    ready === 'True' ? `Ready${held}` : reason === undefined ? 'not reconciled yet' : `not Ready${held}: ${reason}`,
    ...(resolvedAt === undefined ? [] : [`resolved ${ageOf(resolvedAt, now)} ago (interval ${interval})`]),
    ...(convertedAt === undefined ? [] : [`converted ${ageOf(convertedAt, now)} ago`]),
    ...(ready === 'True' || !message ? [] : [message]),
  ].join('; ');
}

/** In the unit that says enough, as kubectl does: `40s`, `5m`, `3h`, `2d`. */
function ageOf(time: string, now: Date): string {
  const ms = Math.max(0, now.getTime() - Date.parse(time));
  if (ms < 2 * MINUTE_MS) {
    return `${Math.floor(ms / SECOND_MS)}s`;
  }
  if (ms < 2 * HOUR_MS) {
    return `${Math.floor(ms / MINUTE_MS)}m`;
  }
  return ms < 2 * DAY_MS ? `${Math.floor(ms / HOUR_MS)}h` : `${Math.floor(ms / DAY_MS)}d`;
}

function line(indent: number, label: string, text: string): string {
  return `${' '.repeat(indent)}${label.padEnd(LABEL_WIDTH)}${text}`;
}
