import type { Logger } from 'pino';
import type { KubeClient } from '../../kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import { mutatingWebhookConfigurations, secrets, type Secret } from '../../kube/resources.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Outcome, ReconcileContext } from '../../runtime/controller.ts';
import { caBundleOf, decodeContents, encodeContents, SECRET_TYPE, type SecretContents } from './contents.ts';
import { plan, renew } from './policy.ts';

/** What the reconcile of the certificates works with. */
export interface CertificatesOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** The Secret that holds authority and serving certificate. */
  readonly secret: { readonly namespace: string; readonly name: string };
  /** Name of the MutatingWebhookConfiguration whose webhooks trust the authority. */
  readonly webhookConfiguration: string;
  /** Names under which API servers call the webhook: `<service>.<namespace>.svc` first of all. */
  readonly dnsNames: readonly string[];
}

/** The key of the one thing that this controller reconciles. */
export const CERTIFICATES_KEY = 'certificates';

/** Time after which another replica, which was faster, has finished writing. */
const CONFLICT_MS = 1000;

/** However far off the next renewal is: the wall clock may be set. */
const LONGEST_WAIT_MS = 60 * 60 * 1000;

/**
 * Keeps the certificates of the webhook current and the API servers' trust in step with them. It reads both objects afresh
 * and writes with their resourceVersion, so that of two replicas that take themselves for the leader one loses and looks
 * again. The caBundle holds an authority before a serving certificate of it exists; whoever changes the caBundle is undone.
 */
export async function reconcileCertificates(
  options: CertificatesOptions,
  { log, signal }: Pick<ReconcileContext, 'log' | 'signal'>,
): Promise<Outcome> {
  try {
    return await step(options, log, signal);
  } catch (error) {
    if (isConflict(error) || isAlreadyExists(error)) {
      log.debug({ err: error }, 'another replica wrote at the same time; looking again');
      return { requeueAfter: CONFLICT_MS };
    }
    throw error;
  }
}

async function step(options: CertificatesOptions, log: Logger, signal: AbortSignal): Promise<Outcome> {
  const { clock, dnsNames } = options;
  const found = await readSecret(options, signal);
  const contents = found === undefined ? undefined : decodeContents(found);
  const now = clock.now();
  const { action, reason, dueAt } = plan(now, contents, dnsNames);
  if (action !== 'create' && contents !== undefined) {
    await publish(options, contents, log, signal);
  }
  if (action === 'keep') {
    return { requeueAfter: waitFor(now, dueAt) };
  }
  const renewed = await renew(action, contents, dnsNames, now);
  await writeSecret(options, found, renewed, signal);
  log.info({ action, reason, secret: options.secret }, 'renewed certificates of the webhook');
  await publish(options, renewed, log, signal);
  return { requeueAfter: waitFor(now, plan(now, renewed, dnsNames).dueAt) };
}

function waitFor(now: Date, dueAt: Date | undefined): number {
  const left = (dueAt ?? now).getTime() - now.getTime();
  return Math.min(Math.max(left, CONFLICT_MS), LONGEST_WAIT_MS);
}

async function readSecret({ client, secret }: CertificatesOptions, signal: AbortSignal): Promise<Secret | undefined> {
  try {
    return await client.get(secrets, secret, signal);
  } catch (error) {
    if (isNotFound(error)) {
      return undefined;
    }
    throw error;
  }
}

async function writeSecret(
  { client, secret }: CertificatesOptions,
  found: Secret | undefined,
  contents: SecretContents,
  signal: AbortSignal,
): Promise<void> {
  const data = encodeContents(contents);
  if (found === undefined) {
    await client.create(secrets, { metadata: secret, type: SECRET_TYPE, data }, signal);
  } else {
    await client.update(secrets, { ...found, data: { ...found.data, ...data } }, signal);
  }
}

/** Makes every webhook of the configuration trust the bundle. Nothing is written when all do. */
async function publish(
  { client, webhookConfiguration: name }: CertificatesOptions,
  contents: SecretContents,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const caBundle = caBundleOf(contents);
  try {
    const found = await client.get(mutatingWebhookConfigurations, { name }, signal);
    const webhooks = (found.webhooks ?? []).map((webhook) => ({
      ...webhook,
      clientConfig: { ...webhook.clientConfig, caBundle },
    }));
    if ((found.webhooks ?? []).every(({ clientConfig }) => clientConfig.caBundle === caBundle)) {
      return;
    }
    await client.update(mutatingWebhookConfigurations, { ...found, webhooks }, signal);
    log.info({ webhookConfiguration: name }, 'set the caBundle of the webhook');
  } catch (error) {
    if (!isNotFound(error)) {
      throw error;
    }
    log.info(
      { webhookConfiguration: name },
      'there is no such MutatingWebhookConfiguration: nothing calls the webhook',
    );
  }
}
