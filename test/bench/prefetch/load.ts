import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../../../src/kube/client.ts';
import { pods } from '../../../src/kube/resources.ts';
import { PORT } from './service.ts';
import { isReady, LABEL, NAMESPACE } from './workload.ts';

const MAX_IN_FLIGHT = 16;
const TICK_MS = 50;
const SAMPLES = 40;

/** An open-loop load on one workload. */
export interface Load {
  /** Requests per second `seconds` after the start. */
  readonly rate: (seconds: number) => number;
  /** Addresses to send to, in turns. */
  readonly addresses: () => readonly string[];
  /** When it starts, as {@link performance.now} counts. */
  readonly start: number;
  readonly seconds: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** Sends the load until it is over. What hangs is left out: a service that is late must not be given more. */
export async function send({ rate, addresses, start, seconds, signal }: Load): Promise<void> {
  const isOver = (now: number): boolean => now >= start + seconds * 1000 || signal?.aborted === true;
  let inFlight = 0;
  let due = 0;
  let sent = 0;
  let last = start;
  for (let now = performance.now(); !isOver(now); now = performance.now()) {
    due += (Math.max(0, rate((now - start) / 1000)) * Math.max(0, now - last)) / 1000;
    last = Math.max(last, now);
    for (; due >= 1; due -= 1, sent += 1) {
      const targets = addresses();
      const address = targets[sent % targets.length];
      if (address !== undefined && inFlight < MAX_IN_FLIGHT) {
        inFlight += 1;
        work(address)
          .catch(() => undefined)
          .finally(() => (inFlight -= 1));
      }
    }
    await sleep(TICK_MS);
  }
}

/** CPU seconds that a request costs, told by how long one takes after another on a machine that does little else. */
export async function secondsPerRequest(address: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < SAMPLES; i += 1) {
    const since = performance.now();
    await work(address);
    times.push((performance.now() - since) / 1000);
  }
  return times.toSorted((a, b) => a - b)[SAMPLES / 4] ?? Number.NaN;
}

/** Sends one request and waits for its answer. */
export async function work(address: string): Promise<void> {
  const response = await fetch(`http://${address}:${PORT}/cgi-bin/work`, { signal: AbortSignal.timeout(10_000) });
  await response.text();
  if (!response.ok) {
    throw new Error(`${address} answered ${response.status}`);
  }
}

/** Addresses of the Pods of a workload that serve. */
export async function readyAddresses(client: KubeClient, workload: string): Promise<string[]> {
  const { items } = await client.list(pods, { namespace: NAMESPACE, labelSelector: `${LABEL}=${workload}` });
  return items.filter(isReady).flatMap(({ status }) => status?.podIP ?? []);
}
