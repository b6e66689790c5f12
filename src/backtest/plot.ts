import type { Backtest, CoursePoint } from './backtest.ts';

const WIDTH = 1200;
const HEIGHT = 320;
const MARGIN = 40;
/** Points that a line is drawn with: more than pixels show nothing. */
const MAX_POINTS = 1000;
const TICKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** A line of text that shows values by height. NaN is a space. */
export function sparkline(values: readonly number[], width: number): string {
  const heights = buckets(values, width).map((bucket) => Math.max(...bucket));
  const top = Math.max(...heights.filter((height) => Number.isFinite(height)), Number.MIN_VALUE);
  return heights
    .map((height) => TICKS[Math.min(TICKS.length - 1, Math.floor((Math.max(0, height) / top) * TICKS.length))] ?? ' ')
    .join('');
}

/** An SVG of the judged part: what the load needs, the replicas, scale-outs below and decisions above. */
export function plot({ from, to, course, scaleOuts, decisions }: Backtest): string {
  const shown = course.filter(({ at }) => at >= from && at < to);
  const top = Math.max(1, ...buckets(shown, MAX_POINTS).map((points) => Math.max(...points.map(highest))));
  const x = (at: number): number => round(MARGIN + ((at - from) / (to - from)) * (WIDTH - 2 * MARGIN));
  const y = (value: number): number => round(HEIGHT - MARGIN - (value / top) * (HEIGHT - 2 * MARGIN));
  const line = (valueOf: (point: CoursePoint) => number): string =>
    buckets(shown, MAX_POINTS)
      .map((points) => `${x(points[0]?.at ?? from)},${y(Math.max(...points.map(valueOf)))}`)
      .join(' ');
  const marks = (times: readonly number[], top1: number, top2: number): string =>
    times
      .filter((at) => at >= from && at < to)
      .map((at) => `M${x(at)} ${top1}V${top2}`)
      .join('');
  const day = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<path d="${marks(decisions, MARGIN - 14, MARGIN - 4)}" stroke="#1a7f37" stroke-width="1"/>`,
    `<path d="${marks(scaleOuts, HEIGHT - MARGIN + 4, HEIGHT - MARGIN + 14)}" stroke="#cf222e" stroke-width="1"/>`,
    `<polyline points="${line(({ demand }) => demand)}" fill="none" stroke="#8c959f" stroke-width="1"/>`,
    `<polyline points="${line(({ replicas }) => replicas)}" fill="none" stroke="#0969da" stroke-width="1.5"/>`,
    `<text x="${MARGIN}" y="16">Pods: needed (grey), there (blue), at most ${round(top)}; decisions (green, above), scale-outs (red, below)</text>`,
    `<text x="${MARGIN}" y="${HEIGHT - 8}">${day(from)} UTC</text>`,
    `<text x="${WIDTH - MARGIN}" y="${HEIGHT - 8}" text-anchor="end">${day(to)} UTC</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function highest({ replicas, demand }: CoursePoint): number {
  return Math.max(replicas, demand);
}

/** Cuts values into at most `count` runs of one length. */
function buckets<T>(values: readonly T[], count: number): T[][] {
  const length = Math.max(1, Math.ceil(values.length / count));
  return Array.from({ length: Math.ceil(values.length / length) }, (_, i) =>
    values.slice(i * length, (i + 1) * length),
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
