import type { Logger } from 'pino';
import type { Secret } from '../../kube/resources.ts';
import type { Change } from '../../runtime/store.ts';
import type { WebhookServer } from '../server.ts';
import { servingCertificate } from './contents.ts';

/** An informer, as far as it is needed here. */
export interface SecretChanges {
  onChange(handler: (change: Change<Secret>) => void): void;
}

/**
 * Hands the serving certificate of the Secret to the server, on every replica, as often as it changes. What cannot be served
 * is passed over: the server goes on with the one it has.
 */
export function serveCertificate(
  changes: SecretChanges,
  secret: { readonly namespace: string; readonly name: string },
  server: Pick<WebhookServer, 'setCertificate'>,
  log: Logger,
): void {
  let serving: string | undefined;
  changes.onChange((change) => {
    const { metadata } = change.object;
    if (change.type === 'deleted' || metadata.name !== secret.name || metadata.namespace !== secret.namespace) {
      return;
    }
    const certificate = servingCertificate(change.object);
    if (certificate === undefined) {
      log.error({ secret }, 'the Secret holds no certificate with its key; the webhook goes on with the one it has');
    } else if (certificate.cert !== serving) {
      server.setCertificate(certificate);
      serving = certificate.cert;
      log.info({ secret, resourceVersion: metadata.resourceVersion }, 'the webhook serves a new certificate');
    }
  });
}
