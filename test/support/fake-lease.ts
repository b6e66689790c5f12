import type { LeaseLock, LeaseRecord } from '../../src/runtime/leader-election.ts';

type Verb = 'get' | 'create' | 'update';

/** One lease in the API server, with optimistic concurrency: each lock that a test takes of it is one candidate's. */
export class FakeLease {
  record: LeaseRecord | undefined;
  readonly calls: string[] = [];
  /** Called before each request; what it throws, or waits for, the candidate meets. */
  before: (verb: Verb, caller: string) => void | Promise<void> = () => undefined;
  #version = 0;

  constructor(record?: Partial<LeaseRecord>) {
    if (record) {
      const then = new Date('2020-01-01T00:00:00Z');
      this.record = {
        holderIdentity: '',
        leaseDurationSeconds: 15,
        acquireTime: then,
        renewTime: then,
        leaseTransitions: 0,
        ...record,
      };
    }
  }

  /** Writes as somebody else would. */
  put(record: Partial<LeaseRecord>): void {
    this.record = { ...(this.record ?? new FakeLease({}).record), ...record } as LeaseRecord;
    this.#version++;
  }

  lock(caller: string): LeaseLock {
    let seen = -1;
    const meet = async (verb: Verb): Promise<void> => {
      this.calls.push(`${caller} ${verb}`);
      await this.before(verb, caller);
    };
    const write = (record: LeaseRecord): void => {
      this.record = record;
      seen = ++this.#version;
    };
    return {
      get: async () => {
        await meet('get');
        seen = this.#version;
        return this.record && { ...this.record };
      },
      create: async (record) => {
        await meet('create');
        if (this.record) {
          throw conflict();
        }
        write(record);
      },
      update: async (record) => {
        await meet('update');
        if (seen !== this.#version) {
          throw conflict();
        }
        write(record);
      },
    };
  }
}

/** The API server's answer to a write on an old version. */
export function conflict(): Error {
  return Object.assign(new Error('the object has been modified'), { code: 409 });
}
