import type { LeaseLock, LeaseRecord } from '../runtime/leader-election.ts';
import type { KubeClient } from './client.ts';
import { isNotFound } from './errors.ts';
import { microTime } from './json.ts';
import { leases, type Lease } from './resources.ts';

/** Name of the Lease of the replica that leads, in the operator's own namespace. */
export const LEADER_LEASE = 'slipstream';

const EPOCH = new Date(0);

/** A lock in a Lease (client-go resourcelock.LeaseLock); the holder needs get, create and update on it. */
export function leaseLock(client: KubeClient, { namespace, name }: { namespace: string; name: string }): LeaseLock {
  let seen: Lease | undefined;
  return {
    async get(signal) {
      try {
        seen = await client.get(leases, { namespace, name }, signal);
      } catch (error) {
        if (isNotFound(error)) {
          return undefined;
        }
        throw error;
      }
      return recordOf(seen);
    },
    async create(record, signal) {
      seen = await client.create(leases, { metadata: { namespace, name }, spec: specOf(record) }, signal);
    },
    async update(record, signal) {
      if (seen === undefined) {
        throw new Error(`the Lease ${namespace}/${name} must be read or created before it is updated`);
      }
      // The resourceVersion in it turns a write by anyone else since into a conflict.
      seen = await client.update(leases, { ...seen, spec: { ...seen.spec, ...specOf(record) } }, signal);
    },
  };
}

function specOf({ acquireTime, renewTime, ...rest }: LeaseRecord): NonNullable<Lease['spec']> {
  return { ...rest, acquireTime: microTime(acquireTime), renewTime: microTime(renewTime) };
}

function recordOf({ spec = {} }: Lease): LeaseRecord {
  return {
    holderIdentity: spec.holderIdentity ?? '',
    leaseDurationSeconds: spec.leaseDurationSeconds ?? 0,
    acquireTime: timeOf(spec.acquireTime),
    renewTime: timeOf(spec.renewTime),
    leaseTransitions: spec.leaseTransitions ?? 0,
  };
}

/** A Lease that somebody made by hand may lack its times; nothing is decided by them. */
function timeOf(text: string | undefined): Date {
  return text === undefined ? EPOCH : new Date(text);
}
