import { isComplete, phasesOf } from './phases.ts';
import type { Timeline } from './timeline.ts';

/** A scale-out in one sentence: `warm verified 41.9 s before the first new Pod; last Pod Ready 6.1 s after the scale-out`. */
export function summaryOf(timeline: Timeline): string {
  return [warmthOf(timeline), podsOf(timeline)].join('; ');
}

function warmthOf(timeline: Timeline): string {
  const { decided, warmStarted, warmVerified, pods } = timeline;
  const { lead } = phasesOf(timeline);
  if (decided === undefined) {
    return 'no decision of its own came before it';
  }
  if (warmVerified === undefined) {
    return warmStarted === undefined ? 'nothing was warmed' : 'the warm was not verified';
  }
  if (lead === undefined) {
    return pods.length === 0 ? 'warm verified, no new Pod yet' : 'warm verified';
  }
  return lead < 0
    ? `warm verified ${(-lead).toFixed(1)} s after the first new Pod, too late for it`
    : `warm verified ${lead.toFixed(1)} s before the first new Pod`;
}

function podsOf(timeline: Timeline): string {
  const { scaled, replicas, pods } = timeline;
  const { scaledToAllReady, podReadyP50 } = phasesOf(timeline);
  if (scaled === undefined) {
    return 'the autoscaler has not scaled out';
  }
  if (scaledToAllReady !== undefined && isComplete(timeline)) {
    const half = pods.length > 1 && podReadyP50 !== undefined ? ` (p50 ${podReadyP50.toFixed(1)} s from created)` : '';
    return `last Pod Ready ${scaledToAllReady.toFixed(1)} s after the scale-out${half}`;
  }
  const ready = pods.filter((pod) => pod.ready !== undefined).length;
  const added = replicas === undefined ? pods.length : Math.max(replicas.to - replicas.from, pods.length);
  return `${ready} of ${added} new Pods Ready`;
}
