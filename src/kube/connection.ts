import type { RequestOptions } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { KubeConfig, type Cluster } from '@kubernetes/client-node';
import { Agent, ProxyAgent, type Dispatcher } from 'undici';

/**
 * One pool for everything. Watches hold a connection each, so the bound must leave room for calls beside them. HTTP/2 is
 * off: one lost connection would end every watch at once.
 */
const POOL = {
  connections: 64,
  pipelining: 1,
  allowH2: false,
  // The API server closes idle connections after 90 s; many load balancers after 60 s.
  keepAliveTimeout: 30_000,
  connectTimeout: 10_000,
} as const satisfies Agent.Options;

/** TCP keep-alive: notices a vanished peer, and keeps load balancers from forgetting a quiet watch. */
const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 30_000 };

/** What connections are made with. */
type Tls = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;

/** What one request needs: where to send it, and who sends it. */
export interface Access {
  dispatcher: Dispatcher;
  /** Authorization and impersonation. */
  headers: Record<string, string>;
}

/** The way to an API server that a kubeconfig describes, with one pool of keep-alive connections. */
export interface Connection {
  /** Base URL of the API server; it may have a path. */
  readonly server: URL;
  /** Namespace of the context (in a Pod, the Pod's own); `default` where none is set. */
  readonly namespace: string;
  /**
   * Credentials as they are now: tokens are read again (in a Pod at most 60 s late), exec plugins and OIDC refreshed, and
   * a changed client certificate or CA starts a new pool. Throws where none can be had.
   */
  access(): Promise<Access>;
  /** Ends every connection; calls that are still under way fail. */
  close(): Promise<void>;
}

/**
 * Loads a kubeconfig.
 * @param path file to load; without it `KUBECONFIG`, then `~/.kube/config`, then the Pod's ServiceAccount
 * @param context context to use in place of the current one
 * @throws when the file cannot be read, or nothing was found, or it has no such context
 */
export function loadConnection(path?: string, context?: string): Connection {
  const config = new KubeConfig();
  if (path === undefined) {
    config.loadFromDefault();
  } else {
    config.loadFromFile(path);
  }
  if (context !== undefined) {
    if (config.getContextObject(context) === null) {
      const names = config.getContexts().map(({ name }) => name);
      throw new Error(`${path ?? 'the kubeconfig'} has no context ${context}, only: ${names.join(', ')}`);
    }
    config.setCurrentContext(context);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new Error(`${path ?? 'the kubeconfig'} has no current context, or its cluster is missing; set one`);
  }
  // What client-node makes up when it finds nothing.
  if (path === undefined && cluster.name === 'cluster' && cluster.server === 'http://localhost:8080') {
    throw new Error('found no kubeconfig and no ServiceAccount; name a kubeconfig or set KUBECONFIG');
  }
  return connect(config, cluster);
}

function connect(config: KubeConfig, cluster: Cluster): Connection {
  let pool: { material: string; dispatcher: Dispatcher } | undefined;
  let pending: Promise<Access> | undefined;
  const retiring = new Set<Dispatcher>();

  async function resolve(): Promise<Access> {
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const tls = tlsOptions(options);
    // Buffers and strings: equal when they print alike.
    const material = Object.values(tls).map(String).join('\0');
    if (pool !== undefined && pool.material !== material) {
      retire(pool.dispatcher);
      pool = undefined;
    }
    pool ??= { material, dispatcher: createDispatcher(cluster, tls) };
    return { dispatcher: pool.dispatcher, headers: authHeaders(options) };
  }

  /** Lets what is under way end on the old connections. */
  function retire(dispatcher: Dispatcher): void {
    retiring.add(dispatcher);
    const forget = (): boolean => retiring.delete(dispatcher);
    dispatcher.close().then(forget, forget);
  }

  return {
    server: new URL(cluster.server),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace || 'default',
    // Calls that arrive together share one run of an exec plugin.
    access() {
      pending ??= resolve().finally(() => (pending = undefined));
      return pending;
    },
    async close() {
      const all = pool === undefined ? [...retiring] : [...retiring, pool.dispatcher];
      await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
    },
  };
}

function createDispatcher({ name, proxyUrl }: Cluster, tls: Tls): Dispatcher {
  if (!proxyUrl) {
    return new Agent({ ...POOL, connect: { ...KEEP_ALIVE, ...tls } });
  }
  if (!/^https?:/.test(proxyUrl)) {
    throw new Error(`the cluster ${name} has the proxy-url ${new URL(proxyUrl).protocol}, but only HTTP proxies work`);
  }
  return new ProxyAgent({ ...POOL, uri: proxyUrl, connect: KEEP_ALIVE, requestTls: tls });
}

function tlsOptions(options: RequestOptions): Tls {
  const { ca, cert, key, servername, rejectUnauthorized } = options;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  };
}

function authHeaders({ headers, auth }: RequestOptions): Record<string, string> {
  const basic = typeof auth === 'string' ? { Authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
  const entries = Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]);
  return { ...basic, ...Object.fromEntries(entries) };
}
