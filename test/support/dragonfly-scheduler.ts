import { join } from 'node:path';
import { listens } from '../../hack/cluster/control-plane.ts';
import { scheduler } from '../../hack/cluster/dragonfly-scheduler.ts';
import { freePorts } from '../envtest/ports.ts';
import { startProcess } from '../envtest/process.ts';
import { until } from './until.ts';

/** A running Dragonfly scheduler. */
export interface Scheduler extends AsyncDisposable {
  /** `host:port` of its gRPC server. */
  address: string;
}

/**
 * Starts a Dragonfly scheduler on a free port of 127.0.0.1, without a manager.
 * @param directory everything that it writes is below
 */
export async function startScheduler(directory: string): Promise<Scheduler> {
  const [port = 0] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const [program = '', ...args] = await scheduler(directory, address);
  const started = await startProcess(program, args, join(directory, 'scheduler.log'));
  await until('the scheduler listens', async () => {
    await started.assertRunning();
    return await listens(address);
  });
  return { address, [Symbol.asyncDispose]: () => started.stop() };
}
