import assert from 'node:assert/strict';
import { pino } from 'pino';
import type { KubeClient, Manifest } from '../../src/kube/client.ts';
import { mutatingWebhookConfigurations, secrets, type MutatingWebhookConfiguration } from '../../src/kube/resources.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { servingCertificate } from '../../src/webhook/certificates/contents.ts';
import { reconcileCertificates } from '../../src/webhook/certificates/reconcile.ts';
import type { Reviewer } from '../../src/webhook/mutate.ts';
import { createWebhookServer } from '../../src/webhook/server.ts';

/** Secret of the webhook's certificates, and name of its configuration. */
export const WEBHOOK = {
  secret: { namespace: 'default', name: 'slipstream-webhook-tls' },
  configuration: 'slipstream',
};

const log = pino({ level: 'silent' });

/** The webhook in this process, which a real API server asks about every Pod. */
export interface TestWebhook {
  /** What the leader and this replica do about certificates. */
  certify(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the server and registers it. The API server may take a moment to ask it. */
export async function startWebhook(client: KubeClient, review: Reviewer): Promise<TestWebhook> {
  const stop = new AbortController();
  const server = createWebhookServer({
    review,
    clock: systemClock,
    log,
    host: '127.0.0.1',
    port: 0,
    drainMs: 0,
    farewellMs: 0,
  });
  const running = server.run(stop.signal);
  const certify = async (): Promise<void> => {
    const { secret, configuration: webhookConfiguration } = WEBHOOK;
    const options = { client, clock: systemClock, secret, webhookConfiguration, dnsNames: ['localhost'] };
    await reconcileCertificates(options, { log, signal: stop.signal });
    const certificate = servingCertificate(await client.get(secrets, secret));
    assert.ok(certificate);
    server.setCertificate(certificate);
  };
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  try {
    await certify();
    await server.ready(stop.signal);
    await client.create(mutatingWebhookConfigurations, configurationOf(server.address()?.port ?? 0));
    await certify();
  } catch (error) {
    await end();
    throw error;
  }
  return { certify, stop: end };
}

/** What the chart makes, but for where the webhook is. */
function configurationOf(port: number): Manifest<MutatingWebhookConfiguration> {
  const rule = { apiGroups: [''], apiVersions: ['v1'], scope: 'Namespaced' };
  return {
    metadata: { name: WEBHOOK.configuration },
    webhooks: [
      {
        name: 'pods.slipstream.dev',
        admissionReviewVersions: ['v1'],
        clientConfig: { url: `https://localhost:${port}/mutate-pods` },
        rules: [
          { ...rule, operations: ['CREATE'], resources: ['pods'] },
          { ...rule, operations: ['UPDATE'], resources: ['pods/ephemeralcontainers'] },
        ],
        // Here a call that fails is to be seen. What ships says Ignore.
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        reinvocationPolicy: 'IfNeeded',
        sideEffects: 'NoneOnDryRun',
        timeoutSeconds: 2,
        namespaceSelector: {
          matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system'] }],
        },
      },
    ],
  };
}
