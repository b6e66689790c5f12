import type { ScaleOut } from './scaleout.ts';

const WIDTH = 60;

/** The events of a scale-out on one line of time, for a terminal: each with its seconds since the load began. */
export function drawTimeline(scaleOut: ScaleOut): string {
  const { loadStarted, podsReady } = scaleOut;
  const events: [label: string, at: number][] = [
    ['load begins', loadStarted],
    ['threshold passed', scaleOut.thresholdPassed],
    ['warm started', scaleOut.warmStarted],
    ['warm verified', scaleOut.warmVerified],
    ['HPA decides', scaleOut.autoscalerDecided],
    ['first new Pod created', scaleOut.firstPodCreated],
    ['new Pods ready', podsReady],
  ];
  const span = podsReady - loadStarted;
  return events
    .map(([label, at]) => {
      const column = Number.isFinite(at) ? Math.round(((at - loadStarted) / span) * (WIDTH - 1)) : 0;
      const bar = Number.isFinite(at) ? `${'─'.repeat(column)}●${'─'.repeat(WIDTH - 1 - column)}` : '·'.repeat(WIDTH);
      const seconds = Number.isFinite(at) ? `${((at - loadStarted) / 1000).toFixed(1)} s` : 'not seen';
      return `  ${label.padEnd(22)} ${bar} ${seconds.padStart(9)}`;
    })
    .join('\n');
}
