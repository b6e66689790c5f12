/**
 * The webhook with the index of a big cluster, as a process of its own, so that what calls it does not slow it down.
 * Arguments: objects, nodes. Says over IPC where it listens, and what it used each time it is asked.
 */
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { systemClock } from '../../../src/runtime/clock.ts';
import { renew } from '../../../src/webhook/certificates/policy.ts';
import { prometheusMetrics } from '../../../src/webhook/metrics.ts';
import { createReviewer } from '../../../src/webhook/mutate.ts';
import { createNotifier } from '../../../src/webhook/notify.ts';
import { createWebhookServer } from '../../../src/webhook/server.ts';
import { bigCluster, fill } from './cluster.ts';

/** Where it listens. */
export interface Listening {
  port: number;
  /** PEM of the authority to trust. */
  ca: string;
}

/** What the process has used since it started. */
export interface Usage {
  /** CPU time in seconds. */
  cpu: number;
  /** Resident memory now, in MiB. */
  rss: number;
}

const [images = 0, nodes = 0] = process.argv.slice(2).map(Number);
const log = pino({ level: 'silent' });
const clock = systemClock;
const metrics = prometheusMetrics(new Registry());
const notify = createNotifier({ event: () => undefined });
// The objects stay, as in the stores of the informers.
const cluster = bigCluster(images, nodes);
const review = createReviewer({ index: fill(cluster), clock, metrics, log, notify });
const server = createWebhookServer({ review, clock, log, host: '127.0.0.1', port: 0, drainMs: 0, farewellMs: 0 });
const contents = await renew('create', undefined, ['localhost'], new Date());
server.setCertificate(contents);

const stop = new AbortController();
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  const rss = process.memoryUsage.rss() / 2 ** 20;
  process.send?.({ cpu: (user + system) / 1e6, rss } satisfies Usage);
});
process.on('disconnect', () => stop.abort(cluster));
const running = server.run(stop.signal);
await server.ready(stop.signal);
process.send?.({ port: server.address()?.port ?? 0, ca: contents.bundle.join('') } satisfies Listening);
await running;
