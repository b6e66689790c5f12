import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Server, ServerCredentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { GrpcObject, ServiceClientConstructor, handleUnaryCall } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** A host that announced itself. */
export interface AnnouncedHost {
  hostname: string;
  ip: string;
  port: number;
  proxyPort: number;
}

/** A running scheduler double. */
export interface SchedulerDouble extends AsyncDisposable {
  /** `host:port` of its gRPC server. */
  address: string;
  /** The hosts that announced themselves, by id. */
  hosts: ReadonlyMap<string, AnnouncedHost>;
}

interface AnnounceHostRequest {
  host: AnnouncedHost & { id: string };
}

const PROTO = join(import.meta.dirname, 'proto');
const SERVING = 1;

/**
 * Stands in for Dragonfly's scheduler, over real gRPC: healthy, takes hosts, and schedules nothing. Everything else is
 * UNIMPLEMENTED, upon which a dfdaemon goes back to the source.
 * @param listen `host:port`; port 0 for any free one
 */
export async function startScheduler(listen = '127.0.0.1:0'): Promise<SchedulerDouble> {
  const hosts = new Map<string, AnnouncedHost>();
  const server = new Server();
  server.addService(serviceOf('health.proto', 'grpc.health.v1.Health'), {
    check: unary(() => ({ status: SERVING })),
  });
  server.addService(serviceOf('scheduler.proto', 'scheduler.v2.Scheduler'), {
    announceHost: unary(({ host: { id, ...host } }: AnnounceHostRequest) => {
      hosts.set(id, host);
      return {};
    }),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(listen, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) {
        resolve(bound);
      } else {
        reject(error);
      }
    });
  });
  return {
    address: `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`,
    hosts,
    [Symbol.asyncDispose]: () => {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

function serviceOf(file: string, name: string): ServiceClientConstructor['service'] {
  const loaded: GrpcObject = loadPackageDefinition(loadSync(join(PROTO, file)));
  const found = name.split('.').reduce<unknown>((at, part) => (at as GrpcObject)[part], loaded);
  return (found as ServiceClientConstructor).service;
}

/** The double's own .proto file says what `answer` gets: nothing in the types of grpc-js does. */
function unary(answer: (request: never) => object): handleUnaryCall<unknown, object> {
  return (call, reply) => reply(null, answer(call.request as never));
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { listen: { type: 'string', default: '127.0.0.1:8002' } } });
  const { address } = await startScheduler(values.listen);
  process.stdout.write(`scheduler double on ${address}\n`);
}
