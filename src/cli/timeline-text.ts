import { firstOf, lastOf, secondsBetween, type Instant } from '../scaleout/instant.ts';
import { isComplete } from '../scaleout/phases.ts';
import type { PodTimes } from '../scaleout/pods.ts';
import { summaryOf } from '../scaleout/summary.ts';
import type { Timeline } from '../scaleout/timeline.ts';
import type { TimelineFacts } from './timeline-facts.ts';

/** Characters of the bars. */
const BAR_WIDTH = 32;

/** Pods that are drawn at most. */
const MOST_PODS = 20;

/** Something that happened, for a line of its own. */
export interface Moment {
  readonly at: Instant;
  /** What happened. */
  readonly what: string;
  /** Of what it is one: tells a moment from others. */
  readonly id: string;
}

/** Writes timelines for a terminal, the newest first. Nothing is coloured. */
export function renderTimelines(timelines: readonly Timeline[], facts: TimelineFacts): string {
  const { policy, hpa, workload } = facts;
  const { namespace, name } = policy.metadata;
  const head = `${workload.kind} ${namespace}/${workload.name}, PrefetchPolicy ${name}, HorizontalPodAutoscaler ${hpa.metadata.name}`;
  return `${[head, ...timelines.flatMap((timeline) => ['', ...renderTimeline(timeline)])].join('\n')}\n`;
}

/** One line for a moment: its offset from the start of its timeline, its time of day, and what happened. */
export function renderMoment({ at, what }: Moment, start: Instant | undefined): string {
  return `${offset(start, at).padStart(11)}  ${timeOfDay(at).padEnd(12)}  ${what}`;
}

/** Where the offsets of a timeline begin: its decision, or the scale-out. */
export function startOf({ decided, scaled }: Timeline): Instant | undefined {
  return decided ?? scaled;
}

/** What happened in a scale-out, in the order of time; of its Pods the first and the last of each. */
export function momentsOf(timeline: Timeline): readonly Moment[] {
  const { decided, warmStarted, warmVerified, scaled, replicas, reason, message, pods } = timeline;
  const by = (moment: 'created' | 'ready'): readonly Instant[] => pods.flatMap((pod) => pod[moment] ?? []);
  const [last, lastReady] = [lastOf(by('created')), lastOf(by('ready'))];
  const added = replicas === undefined ? '' : `, ${replicas.from}→${replicas.to} replicas`;
  return inTime([
    ['decided', decided, `scale-out foreseen, ${reason}: ${message}`],
    ['warmStarted', warmStarted, 'warm started'],
    ['warmVerified', warmVerified, 'warm verified'],
    ['scaled', scaled, `HorizontalPodAutoscaler scaled out${added}`],
    ['firstCreated', firstOf(by('created')), pods.length === 1 ? 'new Pod created' : 'first new Pod created'],
    ['lastCreated', pods.length > 1 ? last : undefined, `last of ${pods.length} new Pods created`],
    ['firstReady', pods.length > 1 ? firstOf(by('ready')) : undefined, 'first new Pod Ready'],
    ['lastReady', isComplete(timeline) ? lastReady : undefined, pods.length === 1 ? 'new Pod Ready' : 'all Ready'],
  ]);
}

/** What happened in a scale-out, with each moment of each Pod. */
export function everyMomentOf(timeline: Timeline): readonly Moment[] {
  const own = momentsOf(timeline).filter(({ id }) => !/^(first|last)/.test(id));
  const ofPods = timeline.pods.flatMap(({ name, uid, node, created, scheduled, pulled, pull, started, ready }) =>
    inTime([
      [`${uid} created`, created, `${name} created`],
      [`${uid} scheduled`, scheduled, `${name} scheduled${node === undefined ? '' : ` to ${node}`}`],
      [`${uid} pulled`, pulled, `${name} ${pullOf(pull)}`],
      [`${uid} started`, started, `${name} started`],
      [`${uid} ready`, ready, `${name} Ready`],
    ]),
  );
  return [...own, ...ofPods].toSorted((a, b) => a.at.ms - b.at.ms);
}

function renderTimeline(timeline: Timeline): readonly string[] {
  const { pods, notes } = timeline;
  const start = startOf(timeline);
  const moments = momentsOf(timeline);
  const whole = moments.some(({ at }) => at.whole);
  return [
    `${timeline.scaled === undefined ? 'No scale-out yet' : 'Scale-out'}: ${summaryOf(timeline)}`,
    `${'offset'.padStart(11)}  ${start === undefined ? '' : `${new Date(start.ms).toISOString().slice(0, 10)} UTC`}`,
    ...moments.map((moment) => renderMoment(moment, start)),
    ...(pods.length === 0 ? [] : ['', ...renderPods(timeline)]),
    ...(whole ? ['', '  ~ Kubernetes recorded it in whole seconds, rounded down.'] : []),
    ...notes.flatMap((note) => ['', `  ${note}`]),
  ];
}

function renderPods({ scaled, pods }: Timeline): readonly string[] {
  const shown = pods.slice(0, MOST_PODS);
  const from = scaled ?? shown[0]?.created;
  const ends = shown.map((pod) => secondsBetween(from, lastOf([pod.created, pod.started, pod.ready])) ?? 0);
  const span = Math.max(1, ...ends);
  const name = Math.max(...shown.map((pod) => pod.name.length));
  const node = Math.max(...shown.map((pod) => (pod.node ?? '').length));
  return [
    `  Pods, from the scale-out to ${span.toFixed(1)} s after it: ░ until pulled, ▓ until Ready, ● Ready`,
    ...shown
      .map((pod) =>
        [pod.name.padEnd(name), (pod.node ?? '').padEnd(node), bar(pod, from, span), wayOf(pod, from)].join('  '),
      )
      .map((line) => `  ${line}`),
    ...(pods.length > shown.length ? [`  and ${pods.length - shown.length} more`] : []),
  ];
}

/** From created to Ready; what is not known to have been pulled counts as pulled when it started. */
function bar({ created, pulled, started, ready, gone }: PodTimes, from: Instant | undefined, span: number): string {
  const column = (instant: Instant | undefined, otherwise: number): number => {
    const seconds = secondsBetween(from, instant);
    return seconds === undefined
      ? otherwise
      : Math.round((Math.min(Math.max(seconds, 0), span) / span) * (BAR_WIDTH - 1));
  };
  const begin = column(created, 0);
  const end = column(ready, gone ? begin : BAR_WIDTH - 1);
  const there = Math.min(Math.max(column(pulled ?? started, end), begin), end);
  const drawn = ' '.repeat(begin) + '░'.repeat(there - begin) + '▓'.repeat(Math.max(0, end - there));
  return (drawn + (ready === undefined ? '' : '●')).padEnd(BAR_WIDTH);
}

function wayOf({ created, pulled, pull, ready, gone }: PodTimes, from: Instant | undefined): string {
  const took = secondsBetween(created, ready);
  return [
    `created ${offset(from, created)}`,
    ...(pulled === undefined ? [] : [pullOf(pull)]),
    took === undefined ? 'not Ready' : `Ready after ${took.toFixed(1)} s`,
    ...(gone ? ['gone since'] : []),
  ].join(', ');
}

function pullOf(pull: PodTimes['pull']): string {
  if (pull?.present === true) {
    return 'image on the node already';
  }
  return pull?.seconds === undefined ? 'image pulled' : `image pulled in ${pull.seconds.toFixed(1)} s`;
}

function inTime(moments: readonly (readonly [id: string, at: Instant | undefined, what: string])[]): readonly Moment[] {
  return moments
    .flatMap(([id, at, what]) => (at === undefined ? [] : [{ id, at, what }]))
    .toSorted((a, b) => a.at.ms - b.at.ms);
}

/** `+3.1 s`, and `~+3 s` for what was recorded in whole seconds. */
function offset(start: Instant | undefined, at: Instant): string {
  const seconds = secondsBetween(start, at) ?? 0;
  const text = `${seconds < 0 ? '-' : '+'}${Math.abs(seconds).toFixed(1)} s`;
  return at.whole ? `~${text}` : text;
}

function timeOfDay({ ms, whole }: Instant): string {
  return new Date(ms).toISOString().slice(11, whole ? 19 : 23);
}
