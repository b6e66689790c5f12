import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { dump } from 'js-yaml';
import { pino } from 'pino';
import { loadKubeClient, type KubeClient } from '../../src/kube/client.ts';
import { mutatingWebhookConfigurations } from '../../src/kube/resources.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { renew } from '../../src/webhook/certificates/policy.ts';
import { allow, parseReview } from '../../src/webhook/review.ts';
import { createWebhookServer } from '../../src/webhook/server.ts';
import { startEnvtest, type Envtest } from '../envtest/envtest.ts';
import { freePorts } from '../envtest/ports.ts';
import { loopbackCertificate } from '../support/loopback-certificate.ts';
import { until } from '../support/until.ts';

/** Name in the certificate that this API server shows. */
const API_SERVER = 'loopback test';

const stop = new AbortController();
const ended: Promise<void>[] = [];
/** Labels of the webhooks that were asked, one for each call that was let in. */
const asked: string[] = [];
let directory: string;
let envtest: Envtest;
let client: KubeClient;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'slipstream-webhook-clients-'));
  const ports = await freePorts(2);
  const [welcome = 0, stranger = 0] = ports;
  const kubeconfig = join(directory, 'webhooks.kubeconfig');
  const user = {
    'client-certificate-data': base64(loopbackCertificate.cert),
    'client-key-data': base64(loopbackCertificate.key),
  };
  const users = ports.map((port) => ({ name: `localhost:${port}`, user }));
  await writeFile(kubeconfig, dump({ apiVersion: 'v1', kind: 'Config', users }));
  const apiVersion = 'apiserver.config.k8s.io/v1';
  const configuration = { apiVersion, kind: 'WebhookAdmissionConfiguration', kubeConfigFile: kubeconfig };
  const plugins = [{ name: 'MutatingAdmissionWebhook', configuration }];
  const file = join(directory, 'admission.yaml');
  await writeFile(file, dump({ apiVersion, kind: 'AdmissionConfiguration', plugins }));
  envtest = await startEnvtest({ flags: [`--admission-control-config-file=${file}`] });
  client = loadKubeClient({ kubeconfig: envtest.kubeconfig, userAgent: 'webhook-clients-test' });
  await serve('welcome', welcome, [API_SERVER]);
  await serve('stranger', stranger, ['kube-apiserver']);
});

after(async () => {
  stop.abort();
  await Promise.all(ended);
  await client?.close();
  await envtest?.stop();
  await rm(directory, { recursive: true, force: true });
});

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Serves a webhook for ConfigMaps of that label, which lets only callers of these names ask. */
async function serve(label: string, port: number, names: readonly string[]): Promise<void> {
  const contents = await renew('create', undefined, ['localhost'], new Date());
  const server = createWebhookServer({
    review(body) {
      asked.push(label);
      const { uid } = parseReview(body);
      return uid === undefined ? undefined : allow(uid);
    },
    clock: systemClock,
    log: pino({ level: 'silent' }),
    host: '127.0.0.1',
    port,
    drainMs: 0,
    farewellMs: 0,
    clients: { ca: loopbackCertificate.cert, names },
  });
  server.setCertificate(contents);
  ended.push(server.run(stop.signal));
  await server.ready(stop.signal);
  await client.create(mutatingWebhookConfigurations, {
    metadata: { name: label },
    webhooks: [
      {
        name: `${label}.slipstream.dev`,
        admissionReviewVersions: ['v1'],
        clientConfig: { url: `https://localhost:${port}/mutate-pods`, caBundle: base64(contents.bundle.join('')) },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
        objectSelector: { matchLabels: { webhook: label } },
        // A call that fails is to be seen.
        failurePolicy: 'Fail',
        sideEffects: 'None',
        timeoutSeconds: 2,
      },
    ],
  });
}

async function create(label: string): Promise<void> {
  const body = { metadata: { generateName: 'asked-', labels: { webhook: label } } };
  await client.raw('POST', '/api/v1/namespaces/default/configmaps', { body, query: { dryRun: 'All' } });
}

test('one whose certificate has another name than those that may call is turned away', async () => {
  await until('it is', async () => {
    await assert.rejects(create('stranger'), /stranger\.slipstream\.dev/);
    return true;
  });
});

test('an API server whose certificate the authority signs, with a name that may call, is answered', async () => {
  await create('welcome');
  assert.deepEqual(asked, ['welcome']);
});
