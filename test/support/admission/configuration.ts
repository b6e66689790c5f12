import { z } from 'zod';
import type { KubeClient } from '../../../src/kube/client.ts';
import {
  collectionPath,
  mutatingWebhookConfigurations,
  type MutatingWebhookConfiguration,
  type Resource,
} from '../../../src/kube/resources.ts';
import type { KubeObject } from '../../../src/runtime/object.ts';
import { objects, only, template, VALUES } from '../../api/chart.ts';
import { loopbackCertificate } from '../loopback-certificate.ts';

/** One webhook of a MutatingWebhookConfiguration. */
export type Webhook = NonNullable<MutatingWebhookConfiguration['webhooks']>[number];

/** Where a webhook is: a URL, and what signs its certificate where it is not the loopback one. */
export interface Place {
  url: string;
  caBundle?: string;
}

const Configuration = z.object({ webhooks: z.array(z.looseObject({ name: z.string() })).length(1) });

/** The webhook as the chart registers it with its smallest values, but for where it is. */
export async function chartWebhook(place: Place): Promise<Webhook> {
  const rendered = only(objects(await template(VALUES.small)), 'MutatingWebhookConfiguration');
  const [webhook] = Configuration.parse(rendered).webhooks;
  return { ...webhook, clientConfig: clientConfig(place) } as Webhook;
}

/** Where a webhook on loopback is, as a configuration says it. */
export function clientConfig({ url, caBundle = loopbackCertificate.cert }: Place): Webhook['clientConfig'] {
  return { url, caBundle: Buffer.from(caBundle).toString('base64') };
}

/** Creates a configuration of one webhook. The API server calls mutating webhooks in the order of these names. */
export async function register(client: KubeClient, name: string, webhook: Webhook): Promise<void> {
  await client.create(mutatingWebhookConfigurations, { metadata: { name }, webhooks: [webhook] });
}

/** ValidatingWebhookConfigurations: nothing that ships uses them. */
export const validatingWebhookConfigurations: Resource<KubeObject> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'validatingwebhookconfigurations',
  kind: 'ValidatingWebhookConfiguration',
  namespaced: false,
};

/** Creates a configuration of one webhook that judges what the mutating ones have made of an object. */
export async function registerValidating(client: KubeClient, name: string, webhook: Webhook): Promise<void> {
  const body = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name },
    webhooks: [webhook],
  };
  await client.raw('POST', collectionPath(validatingWebhookConfigurations), { body });
}
