import { loadKubeClient } from '../kube/client.ts';
import type { Clock } from '../runtime/clock.ts';
import { createReader } from './reader.ts';
import { gatherTimelineFacts } from './timeline-facts.ts';
import { followTimelines } from './timeline-live.ts';
import { nothingRecorded, reportOfTimeline, timelinesOf } from './timeline-report.ts';
import { findWatched, parseTarget } from './timeline-target.ts';
import { renderTimelines } from './timeline-text.ts';

/** Arguments of the `timeline` command. */
export interface TimelineCommand {
  /** `KIND/NAME`: a PrefetchPolicy, or what it watches. */
  readonly target: string;
  readonly namespace?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly output: 'text' | 'json';
  /** Scale-outs to show, as it was typed. */
  readonly last: string;
  /** Go on, and show what happens as it happens. */
  readonly watch: boolean;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Writes when what happened in the newest scale-outs of a workload. Reads the cluster only, with the rights of the
 * kubeconfig's user. With `watch` it ends by the signal.
 * @throws Error saying what could not be read or is not there, and what to do
 */
export async function runTimelineCommand(command: TimelineCommand, signal: AbortSignal): Promise<void> {
  const { output, stdout, kubeconfig, context, userAgent, clock } = command;
  const target = parseTarget(command.target);
  const most = parseLast(command.last);
  const client = loadKubeClient({ kubeconfig, context, userAgent });
  try {
    const reader = createReader(client, signal);
    const watched = await findWatched(reader, target, command.namespace ?? client.namespace);
    const facts = await gatherTimelineFacts(reader, watched);
    const timelines = timelinesOf(facts, most, clock.now());
    if (timelines.length === 0 && !command.watch) {
      throw new Error(nothingRecorded(watched.policy));
    }
    if (output === 'text') {
      stdout.write(renderTimelines(timelines, facts));
    } else if (!command.watch) {
      const items = timelines.map((timeline) => reportOfTimeline(timeline, facts));
      stdout.write(`${JSON.stringify({ items }, undefined, 2)}\n`);
    }
    if (command.watch) {
      await followTimelines({ ...command, client, reader, facts }, signal);
    }
  } finally {
    await client.close();
  }
}

function parseLast(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) {
    throw new Error(`--last ${text} is not a number of scale-outs: give 1 or more`);
  }
  return number;
}
