import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { Pod } from '../../../src/kube/resources.ts';
import type { Operation } from '../../../src/rewriting/patch.ts';
import { loopbackCertificate } from '../loopback-certificate.ts';
import { clientConfig, type Webhook } from './configuration.ts';

/** What a webhook says about a Pod: a patch, or why it is refused. */
export type Verdict = { patch: readonly Operation[] } | { refused: string };

/** An admission webhook of somebody else, on loopback. */
export interface OtherWebhook extends AsyncDisposable {
  url: string;
}

/** An HTTPS server on 127.0.0.1 with the loopback certificate, unless told otherwise. */
export async function startHttps(
  listener: RequestListener,
  certificate: { cert: string; key: string } = loopbackCertificate,
): Promise<OtherWebhook> {
  const server = createServer(certificate, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A webhook that looks at Pods. */
export function startOtherWebhook(judge: (pod: Pod) => Verdict): Promise<OtherWebhook> {
  return startHttps((request, response) => {
    void json(request).then((body) => {
      const { uid, object } = (body as { request: { uid: string; object: Pod } }).request;
      const answer = {
        apiVersion: 'admission.k8s.io/v1',
        kind: 'AdmissionReview',
        response: { uid, ...outcome(judge(object)) },
      };
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    });
  });
}

function outcome(verdict: Verdict): object {
  if ('refused' in verdict) {
    return { allowed: false, status: { message: verdict.refused } };
  }
  const { patch } = verdict;
  return patch.length === 0
    ? { allowed: true }
    : { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
}

/** How such a webhook is registered: for new Pods, and so that a call that fails is seen. */
export function registrationOf({ url }: OtherWebhook, name: string): Webhook {
  return {
    name: `${name}.example.com`,
    admissionReviewVersions: ['v1'],
    clientConfig: clientConfig({ url }),
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' }],
    failurePolicy: 'Fail',
    sideEffects: 'None',
    timeoutSeconds: 10,
  };
}
