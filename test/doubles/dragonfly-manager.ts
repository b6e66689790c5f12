import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { Seed } from '../../src/dragonfly/provider.ts';
import type { Clock } from '../../src/runtime/clock.ts';

const PreheatArgs = z.object({
  type: z.enum(['image', 'file']),
  url: z.string().regex(/^(.*):\/\/(.*)\/v2\/(.*)\/manifests\/(.*)$/),
  platform: z.string().optional(),
  scope: z.string().default('single_seed_peer'),
  count: z.int().min(1).max(200).optional(),
  concurrent_task_count: z.int().min(1).max(100).optional(),
  // time.Duration: encoding/json takes integers only.
  timeout: z.int().optional(),
  headers: z.record(z.string(), z.string()).default({}),
  username: z.string().default(''),
  password: z.string().default(''),
  enable_task_id_based_blob_digest: z.boolean().default(false),
});
const CreateJob = z.object({
  type: z.literal('preheat'),
  scheduler_cluster_ids: z.array(z.int()).optional(),
  args: PreheatArgs,
});
const Manifest = z.object({
  config: z.object({ digest: z.string() }),
  layers: z.array(z.object({ digest: z.string() })),
});

export type PreheatJobRequest = z.infer<typeof CreateJob>;

/** How a preheat ended. */
export interface PreheatOutcome {
  state: 'SUCCESS' | 'FAILURE';
  succeeded: string[];
  failed: { url: string; description: string }[];
}

export interface ManagerDoubleOptions {
  /** The personal access token that it takes. */
  token: string;
  clock: Clock;
  /** How long after a preheat was started the row of its job is looked after first; 30 s in a real one, doubling from there. */
  lagMs?: number;
  /** Seeds through whose proxies it really preheats. */
  seeds?: readonly Seed[];
  /** Whether it knows `enable_task_id_based_blob_digest`, as managers after v2.5.1 do. */
  knowsDigestTaskIDs?: boolean;
  /** Whether the rows of jobs vanish at once, as its garbage collector makes them later. */
  losesJobs?: boolean;
  /** Why the token, though it is known, is not taken. */
  refusal?: string;
  /** The end of every preheat, without any being done. */
  outcome?: PreheatOutcome;
}

/** A running double. */
export interface ManagerDouble extends AsyncDisposable {
  url: string;
  /** Jobs that were asked for and taken. */
  created: PreheatJobRequest[];
  /** Called when a job was taken. */
  onCreate: () => void;
  /** Answers the next `count` attempts to make a job with 429. */
  limitRequests(count: number, retryAfter?: string): void;
}

interface JobRow {
  id: number;
  task_id: string;
  type: string;
  state: string;
  args: z.infer<typeof PreheatArgs>;
  result: object | null;
}

/**
 * Stands in for the Open API of Dragonfly's manager (v2.5): jobs whose rows are written late, whose SUCCESS hides failures
 * with the scope single_seed_peer, which vanish, and whose making is limited.
 */
export async function startManager(options: ManagerDoubleOptions): Promise<ManagerDouble> {
  const { token, clock, lagMs = 30_000 } = options;
  const rows = new Map<number, JobRow>();
  const created: PreheatJobRequest[] = [];
  const limited: (string | undefined)[] = [];
  const stop = new AbortController();
  let lastID = 0;

  async function create(body: string): Promise<Answer> {
    const parsed = CreateJob.safeParse(parse(body));
    if (!parsed.success) {
      return json(422, {
        errors: parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; '),
      });
    }
    // The limiter counts by cluster: a request that names none is not limited.
    if (limited.length > 0 && (parsed.data.scheduler_cluster_ids ?? []).length > 0) {
      const retryAfter = limited.shift();
      return {
        status: 429,
        headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
        body: 'rate limit exceeded',
      };
    }
    created.push(parsed.data);
    double.onCreate();
    const { type, args } = parsed.data;
    const row: JobRow = { id: ++lastID, task_id: `group_${randomUUID()}`, type, state: 'PENDING', args, result: null };
    if (options.losesJobs !== true) {
      rows.set(row.id, row);
    }
    let outcome: PreheatOutcome | undefined = options.outcome;
    if (outcome === undefined) {
      void preheat(args, options, stop.signal).then((end) => (outcome = end));
    }
    lookAfter(row, () => outcome, lagMs);
    return json(200, row);
  }

  /** The poller that writes the row: late, and later each time. */
  function lookAfter(row: JobRow, outcome: () => PreheatOutcome | undefined, delay: number): void {
    const timer = clock.after(delay, () => {
      stop.signal.removeEventListener('abort', cancel);
      const end = outcome();
      if (end === undefined) {
        lookAfter(row, outcome, 2 * delay);
        return;
      }
      row.state = end.state;
      row.result = resultOf(row, end);
    });
    const cancel = (): void => timer.cancel();
    stop.signal.addEventListener('abort', cancel, { once: true });
  }

  async function answer(incoming: IncomingMessage): Promise<Answer> {
    const { pathname } = new URL(incoming.url ?? '/', 'http://manager');
    const body = await text(incoming);
    if (incoming.headers.authorization !== `Bearer ${token}`) {
      return json(401, { message: 'Unauthorized' });
    }
    if (options.refusal !== undefined) {
      return json(403, { message: options.refusal });
    }
    if (pathname === '/oapi/v1/jobs') {
      return incoming.method === 'POST' ? await create(body) : json(200, [...rows.values()]);
    }
    const id = /^\/oapi\/v1\/jobs\/(\d+)$/.exec(pathname)?.[1];
    const row = rows.get(Number(id));
    return row === undefined ? json(404, { message: 'record not found' }) : json(200, row);
  }

  const server = createServer((incoming, outgoing) => {
    void answer(incoming).then(({ status, headers, body }) => outgoing.writeHead(status, headers).end(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const double: ManagerDouble = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    created,
    onCreate: () => undefined,
    limitRequests: (count, retryAfter) => limited.push(...Array.from({ length: count }, () => retryAfter)),
    async [Symbol.asyncDispose]() {
      stop.abort();
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
  return double;
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

function json(status: number, body: object): Answer {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(body) };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** With single_seed_peer, the scheduler logs what failed, and neither says so nor fails. */
function resultOf({ task_id, args }: JobRow, { state, succeeded, failed }: PreheatOutcome): object {
  const task = (url: string): object => ({ url, hostname: 'seed', ip: '127.0.0.1' });
  const results = {
    success_tasks: succeeded.map(task),
    failure_tasks:
      args.scope === 'single_seed_peer' ? [] : failed.map(({ url, description }) => ({ ...task(url), description })),
    scheduler_cluster_id: 1,
  };
  return { group_uuid: task_id, state, job_states: [{ state, error: '', results: [results] }] };
}

/** Resolves the manifest and has the seeds download every blob whole, as the scheduler does. */
async function preheat(
  args: z.infer<typeof PreheatArgs>,
  { seeds = [], knowsDigestTaskIDs = false }: ManagerDoubleOptions,
  signal: AbortSignal,
): Promise<PreheatOutcome> {
  const outcome: PreheatOutcome = { state: 'SUCCESS', succeeded: [], failed: [] };
  try {
    const answer = await fetch(args.url, {
      headers: { ...args.headers, accept: 'application/vnd.oci.image.manifest.v1+json' },
      signal,
    });
    const { config, layers } = Manifest.parse(await answer.json());
    for (const { digest } of [config, ...layers]) {
      const url = new URL(args.url.replace(/\/manifests\/.*$/, `/blobs/${digest}`));
      const targets = seeds.slice(0, args.scope === 'all_seed_peers' ? args.count : 1);
      for (const seed of targets) {
        const headers = {
          ...args.headers,
          'x-dragonfly-registry': url.origin,
          'x-dragonfly-use-p2p': 'true',
          'x-dragonfly-enable-task-id-based-blob-digest': String(
            knowsDigestTaskIDs && args.enable_task_id_based_blob_digest,
          ),
        };
        const status = await download(new URL(url.pathname, seed.url), headers, signal);
        if (status === 200) {
          outcome.succeeded.push(url.href);
        } else {
          outcome.failed.push({ url: url.href, description: `${seed.name} answered ${status}` });
        }
      }
    }
  } catch (error) {
    return { ...outcome, state: 'FAILURE', failed: [{ url: args.url, description: String(error) }] };
  }
  // One that worked is enough for the scopes of several peers; with one peer nothing fails at all.
  const failed = args.scope !== 'single_seed_peer' && outcome.succeeded.length === 0;
  return { ...outcome, state: failed ? 'FAILURE' : 'SUCCESS' };
}

/** The status of an answer that came whole. */
async function download(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<number | string> {
  try {
    const got = await fetch(url, { headers, signal });
    await got.arrayBuffer();
    return got.status;
  } catch (error) {
    signal.throwIfAborted();
    return String(error);
  }
}
