import type { Logger } from 'pino';
import type { Endpoint } from '../converter/job.ts';
import type { CallOptions, RegistryClient } from '../registry/client.ts';
import type { Role } from './options.ts';

/** Everything that the steps of copying one image share. */
export interface CopyJob {
  registry: RegistryClient;
  role: Role;
  from: Endpoint;
  to: Endpoint;
  /** A second tag for the copy. */
  ownTag: string | undefined;
  /** Milliseconds before the first attempt to go on after a break; doubled for the next. */
  retryDelay: number;
  log: Logger;
  signal: AbortSignal;
}

/** Options of a call to an endpoint's registry. */
export function callOptions({ credentials }: Endpoint, { signal }: CopyJob): CallOptions {
  return { credentials, signal };
}
