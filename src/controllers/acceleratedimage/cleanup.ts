import { AcceleratedImageReason as Reason, CLEANUP_FAILED } from '../../api/v1alpha1/conditions.ts';
import { removeCondition, setCondition } from '../../runtime/conditions.ts';
import { tooMany, withTags, type HistoryEntry } from './history.ts';
import { neededByOthers } from './other-users.ts';
import type { Dependencies, Pass } from './pass.ts';
import { removeTags, type Fate } from './remove-tags.ts';

/** When it is looked again at what could not be removed. */
const RECHECK_MS = 600_000;
/** Until what a pass found is written, and Pods that are just being admitted are there. */
const SETTLE_MS = 2000;
const MESSAGE_MAX = 1024;

/**
 * Removes the tags of artifacts that are more than `spec.history.keep`, as far as this object made them, no Pod of the cluster
 * runs them and no other object needs them. What could not be removed is said in `status.history` and as a condition.
 * @returns milliseconds until there is something to look at again.
 */
export async function cleanHistory(pass: Pass, deps: Dependencies): Promise<number> {
  const { image, status, signal } = pass;
  const { artifact } = status;
  const now = deps.clock.now();
  const surplus = artifact === undefined ? [] : tooMany(status.history ?? [], artifact.digest, image.spec.history.keep);
  const fresh = surplus.filter(({ supersededAt }) => supersededAt === undefined);
  const due = surplus.filter((entry) => entry.supersededAt !== undefined && dueIn(entry, now) <= 0);
  let history = status.history;
  const replace = (entry: HistoryEntry, by: HistoryEntry[]): void => {
    history = history?.flatMap((each) => (each.digest === entry.digest ? by : [each]));
  };
  for (const entry of fresh) {
    // Its Pods are looked for after this was written: none can come after that.
    replace(entry, entry.tags === undefined ? [] : [{ ...entry, supersededAt: now.toISOString() }]);
  }
  const running = due.length === 0 ? undefined : await listRunning(due, pass, deps);
  if (running !== undefined) {
    const needs = { running, others: neededByOthers(image, deps.images.list()) };
    for (const entry of due) {
      const fates = await removeTags(image, entry, needs, deps, signal);
      logRemoved(pass, entry, fates);
      replace(entry, whatIsLeft(entry, fates, now));
    }
  }
  if (history === undefined) {
    return Infinity;
  }
  status.history = history;
  status.conditions = report(pass, history, now);
  const waiting = history.filter(({ supersededAt }) => supersededAt !== undefined);
  return Math.min(Infinity, ...waiting.map((entry) => Math.max(SETTLE_MS, dueIn(entry, now))));
}

/** What Pods run, or undefined where that cannot be known: then nothing is removed. */
async function listRunning(
  due: readonly HistoryEntry[],
  { log, signal }: Pass,
  { running }: Dependencies,
): Promise<ReadonlySet<string> | undefined> {
  const newest = Math.max(...due.map(({ supersededAt }) => Date.parse(supersededAt ?? '')));
  try {
    return await running.list(new Date(newest), signal);
  } catch (error) {
    signal.throwIfAborted();
    log.warn({ err: error }, 'the Pods of the cluster cannot be listed; older artifacts stay');
    return undefined;
  }
}

/** Milliseconds until an artifact that is too many may be looked at. */
function dueIn({ supersededAt, checkedAt }: HistoryEntry, now: Date): number {
  const dueAt =
    checkedAt === undefined ? Date.parse(supersededAt ?? '') + SETTLE_MS : Date.parse(checkedAt) + RECHECK_MS;
  return dueAt - now.getTime();
}

/** The entry as it is after its tags were seen to; none where nothing of them is left. */
function whatIsLeft(entry: HistoryEntry, fates: readonly Fate[], now: Date): HistoryEntry[] {
  const left = fates.flatMap((fate) => (fate.fate === 'left' ? [fate] : []));
  // What failed is more worth saying than that a Pod runs it.
  const first = left.find(({ reason }) => reason !== Reason.InUse) ?? left[0];
  if (first === undefined) {
    return [];
  }
  const message = first.message.slice(0, MESSAGE_MAX);
  const tags = left.map(({ tag }) => tag);
  return [{ ...withTags(entry, tags), checkedAt: now.toISOString(), reason: first.reason, message }];
}

/** The conditions, with the one that says what could not be removed, or without it where nothing failed. */
function report({ image, status }: Pass, history: readonly HistoryEntry[], now: Date): Pass['status']['conditions'] {
  const conditions = status.conditions ?? [];
  const failed = history.filter(({ reason }) => reason !== undefined && reason !== Reason.InUse);
  const [first] = failed;
  if (first?.reason === undefined) {
    return status.conditions === undefined ? undefined : removeCondition(conditions, CLEANUP_FAILED);
  }
  const message = `tags of ${failed.length} older artifacts could not be removed; ${first.message ?? ''}`;
  return setCondition(
    conditions,
    { type: CLEANUP_FAILED, status: 'True', reason: first.reason, message },
    { generation: image.metadata.generation, now },
  );
}

function logRemoved({ log }: Pass, { digest }: HistoryEntry, fates: readonly Fate[]): void {
  const removed = fates.filter(({ fate }) => fate === 'removed').map(({ tag }) => tag);
  if (removed.length > 0) {
    log.info({ digest, tags: removed }, 'removed the tags of an older artifact');
  }
}
