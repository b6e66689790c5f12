import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolPath } from '../../hack/tools/locate.ts';
import { freePorts } from '../envtest/ports.ts';
import { startProcess } from '../envtest/process.ts';
import { until } from './until.ts';

/** A real Prometheus that reads a gauge, `load`, every second. */
export interface PrometheusUnderTest extends AsyncDisposable {
  readonly url: string;
}

/** Starts Prometheus on loopback; `load` is asked for the value of the gauge. */
export async function startPrometheus(load: () => number): Promise<PrometheusUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-prometheus-'));
  const exporter = createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(`# TYPE load gauge\nload ${load()}\n`);
  }).listen(0, '127.0.0.1');
  await once(exporter, 'listening');
  const config = {
    global: { scrape_interval: '1s' },
    scrape_configs: [
      { job_name: 'load', static_configs: [{ targets: [`127.0.0.1:${(exporter.address() as AddressInfo).port}`] }] },
    ],
  };
  // JSON is YAML.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const [port] = await freePorts(1);
  const flags = [
    `--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const process = await startProcess(toolPath('prometheus'), flags, join(folder, 'log'));
  const url = `http://127.0.0.1:${port}`;
  await until('Prometheus is ready', async () => {
    await process.assertRunning();
    return (await fetch(`${url}/-/ready`)).ok;
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      await process.stop();
      exporter.closeAllConnections();
      exporter.close();
      await once(exporter, 'close');
      await rm(folder, { recursive: true });
    },
  };
}
