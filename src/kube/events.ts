import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock } from '../runtime/clock.ts';
import type { KubeObject } from '../runtime/object.ts';
import type { KubeClient } from './client.ts';
import { isAlreadyExists, isNotFound } from './errors.ts';
import { microTime } from './json.ts';
import { LruMap } from './lru-map.ts';
import { events } from './resources.ts';
import { createSpamFilter, type Budget } from './spam-filter.ts';

/** Who records events, and what it does when something happens: the API requires both. */
export interface Reporter {
  readonly controller: string;
  readonly action: string;
}

const RECONCILER: Reporter = { controller: 'slipstream.dev/controller', action: 'Reconcile' };

/** The same event within this time of the last one belongs to its series (client-go tools/events finishTime). */
const SERIES_MS = 6 * 60_000;

/** Series that are remembered; the least recently used is forgotten first, and starts a new one when it comes again. */
const MAX_SERIES = 4096;

/** Events that wait to be sent; more are dropped. */
const MAX_QUEUED = 1000;

/** Limits of the API server (ValidateEventCreate): bytes of a note, and of a name. */
const NOTE_LIMIT = 1024;
const NAME_LIMIT = 253;

export type EventType = 'Normal' | 'Warning';

export interface EventRecorderOptions {
  client: KubeClient;
  clock: Clock;
  log: Logger;
  /** Name of this process, such as its Pod's: `reportingInstance`. */
  instance: string;
  /** Default: the controllers. */
  reporter?: Reporter;
  /** What it may send in all, beside the budget of each object. Default: as much as it can. */
  budget?: Budget;
}

/** An event and how often it has happened. */
interface Series {
  readonly namespace: string;
  readonly name: string;
  readonly type: EventType;
  readonly reason: string;
  readonly note: string;
  readonly regarding: object;
  readonly firstSeen: Date;
  lastSeen: Date;
  count: number;
  /** Whether the API server has it. */
  recorded: boolean;
}

/**
 * Records Events of events.k8s.io/v1. The same event about the same object becomes a series, whose count is updated; each
 * object has a budget; memory is bounded. Sending goes on in the background, one at a time, and whatever fails is
 * logged: an Event is never worth failing for.
 */
export class EventRecorder {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #instance: string;
  readonly #reporter: Reporter;
  readonly #series = new LruMap<string, Series>(MAX_SERIES);
  readonly #allow: (object: string) => boolean;
  readonly #allowAny: (object: string) => boolean;
  /** A series stands here once, however often it happened in the meantime. */
  readonly #queue = new Set<Series>();
  #sending: Promise<void> | undefined;

  constructor({ client, clock, log, instance, reporter = RECONCILER, budget }: EventRecorderOptions) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
    this.#instance = instance;
    this.#reporter = reporter;
    this.#allow = createSpamFilter(clock);
    this.#allowAny = budget === undefined ? () => true : createSpamFilter(clock, budget);
  }

  /** Records that something happened to an object. Returns at once and never throws. */
  event(object: KubeObject, type: EventType, reason: string, message: string): void {
    const series = this.#observe(object, type, reason, truncate(message, NOTE_LIMIT));
    if (this.#queue.has(series)) {
      return;
    }
    // The object's own budget first: one that has spent it takes nothing from the others.
    if (this.#queue.size >= MAX_QUEUED || !this.#allow(identity(object)) || !this.#allowAny('')) {
      this.#log.debug({ event: reason, object: identity(object) }, 'dropped an event');
      return;
    }
    this.#queue.add(series);
    this.#sending ??= this.#send();
  }

  /** Resolves when everything recorded so far was sent or given up. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  #observe(object: KubeObject, type: EventType, reason: string, note: string): Series {
    const key = JSON.stringify([identity(object), type, reason, note]);
    const now = this.#clock.now();
    const known = this.#series.get(key);
    if (known !== undefined && now.getTime() - known.lastSeen.getTime() < SERIES_MS) {
      known.count += 1;
      known.lastSeen = now;
      return known;
    }
    const { name, namespace, uid, resourceVersion } = object.metadata;
    const { apiVersion, kind } = object;
    const series: Series = {
      // An Event about a cluster-scoped object is in `default` (client-go tools/events makeEvent).
      namespace: namespace ?? 'default',
      name: eventName(name),
      type,
      reason,
      note,
      regarding: { apiVersion, kind, name, namespace, uid, resourceVersion },
      firstSeen: now,
      lastSeen: now,
      count: 1,
      recorded: false,
    };
    this.#series.set(key, series);
    return series;
  }

  async #send(): Promise<void> {
    for (const series of this.#queue) {
      this.#queue.delete(series);
      try {
        await this.#record(series);
      } catch (error) {
        this.#log.warn({ err: error, event: series.reason, regarding: series.regarding }, 'cannot record an event');
      }
    }
    this.#sending = undefined;
  }

  async #record(series: Series): Promise<void> {
    if (series.recorded && (await this.#update(series))) {
      return;
    }
    const { namespace, name, type, reason, note, regarding, firstSeen } = series;
    try {
      await this.#client.create(events, {
        metadata: { namespace, name },
        eventTime: microTime(firstSeen),
        reportingController: this.#reporter.controller,
        reportingInstance: this.#instance,
        action: this.#reporter.action,
        type,
        reason,
        note,
        regarding,
        ...seriesOf(series),
      });
    } catch (error) {
      // The answer to an earlier try was lost.
      if (!isAlreadyExists(error)) {
        throw error;
      }
    }
    series.recorded = true;
  }

  /** Whether the Event was still there: the API server keeps Events for an hour. */
  async #update(series: Series): Promise<boolean> {
    try {
      await this.#client.patch(events, series, seriesOf(series), 'application/merge-patch+json');
      return true;
    } catch (error) {
      if (isNotFound(error)) {
        return false;
      }
      throw error;
    }
  }
}

/** A single event has no series; the API server asks for a count of two or more. */
function seriesOf({ count, lastSeen }: Series): { series?: { count: number; lastObservedTime: string } } {
  return count < 2 ? {} : { series: { count, lastObservedTime: microTime(lastSeen) } };
}

function identity({ kind, metadata: { namespace, name, uid } }: KubeObject): string {
  return `${kind}/${namespace ?? ''}/${name}/${uid ?? ''}`;
}

/** Like client-go's `<name>.<time in hex>`, but unique without a fine clock. */
function eventName(name: string): string {
  const suffix = randomBytes(8).toString('hex');
  const prefix = name.slice(0, NAME_LIMIT - suffix.length - 1).replace(/[^a-z0-9]+$/, '');
  return `${prefix}.${suffix}`;
}

/** Cuts to a number of UTF-8 bytes without breaking a character. */
function truncate(text: string, limit: number): string {
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length <= limit
    ? text
    : `${bytes
        .subarray(0, limit - 3)
        .toString('utf8')
        .replace(/\uFFFD$/, '')}…`;
}
