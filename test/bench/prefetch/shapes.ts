/** A load over time, as a multiple of what one Pod takes at the autoscaler's target. */
export interface Shape {
  readonly name: string;
  /** Load `seconds` after the start. */
  readonly load: (seconds: number) => number;
  readonly minReplicas: number;
  /** Seconds after the start for which a schedule of the policy is made. */
  readonly scheduledAt?: number;
}

/** How long each load lasts, in seconds: a minute at rest first, so that a trend is one. */
export const SECONDS = 330;
const REST = 60;
const IDLE = 0.3;

/** Every load begins at rest, and scales with the Pods that are there at the start. */
function shape(name: string, rise: (seconds: number) => number, rest: Partial<Shape> = {}): Shape {
  const { minReplicas = 1 } = rest;
  return {
    name,
    minReplicas,
    load: (seconds) => minReplicas * (seconds < REST ? IDLE : Math.max(0, rise(seconds - REST))),
    ...rest,
  };
}

function ramp(seconds: number, to = 2.2): (at: number) => number {
  return (at) => IDLE + (to - IDLE) * Math.min(1, at / seconds);
}

function jump(to: number, after = 60): (at: number) => number {
  return (at) => (at < after ? IDLE : to);
}

function stairs(...levels: number[]): (at: number) => number {
  return (at) => levels[Math.min(levels.length - 1, Math.floor(at / 60))] ?? IDLE;
}

/** Noise that is the same in each run. */
function noisy(load: (at: number) => number, share: number): (at: number) => number {
  return (at) => load(at) * (1 + share * Math.sin(at * 12.9898) * Math.cos(at * 78.233));
}

/** A load that rises slowly enough to be foreseen. */
export const RISING = shape('ramp 120s', ramp(120));

/** Those that scale out, and at the end those that must not be taken for it. */
export const SHAPES: readonly Shape[] = [
  shape('ramp 30s', ramp(30)),
  shape('ramp 60s', ramp(60)),
  RISING,
  shape('ramp 180s', ramp(180)),
  shape('ramp 240s', ramp(240)),
  shape('ramp 240s to 1.9', ramp(240, 1.9)),
  shape('ramp 120s, noisy', noisy(ramp(120), 0.2)),
  shape('ramp 240s, noisy', noisy(ramp(240), 0.2)),
  shape('ramp 120s from 2 Pods', ramp(120), { minReplicas: 2 }),
  shape('ramp 240s from 3 Pods', ramp(240), { minReplicas: 3 }),
  shape('doubling in 40s', (at) => Math.min(2.5, IDLE * 2 ** (at / 40))),
  shape('doubling in 80s', (at) => Math.min(2.5, IDLE * 2 ** (at / 80))),
  shape('wave of 300s', (at) => 1 - 0.75 * Math.cos((2 * Math.PI * at) / 300)),
  shape('wave of 200s', (at) => 1 - 0.75 * Math.cos((2 * Math.PI * at) / 200)),
  shape('stairs of 60s', stairs(0.5, 0.8, 1, 1.6)),
  shape('steep stairs', stairs(0.6, 0.95, 1.8)),
  shape('jump to 1.8', jump(1.8)),
  shape('jump to 3.5', jump(3.5)),
  shape('jump on schedule', jump(2, 150), { scheduledAt: REST + 150 }),
  shape('jump to 3.5 on schedule', jump(3.5, 150), { scheduledAt: REST + 150 }),
];
export const DECOYS: readonly Shape[] = [
  shape(
    'noise around 0.5',
    noisy(() => 0.5, 0.4),
  ),
  shape('hill of 0.7', (at) => 0.4 - 0.3 * Math.cos((2 * Math.PI * at) / 200)),
  shape('hill of 1.0', (at) => 0.65 - 0.35 * Math.cos((2 * Math.PI * at) / 250)),
  shape('rest', () => IDLE),
];
