import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { mutatingWebhookConfigurations, type Pod } from '../../src/kube/resources.ts';
import { renew } from '../../src/webhook/certificates/policy.ts';
import { freePorts } from '../envtest/ports.ts';
import {
  podOf,
  registerChart,
  startAdmission,
  TEAM,
  unregister,
  type AdmissionCluster,
} from '../support/admission/cluster.ts';
import { chartWebhook, type Place } from '../support/admission/configuration.ts';
import { registrationOf, startHttps, startOtherWebhook } from '../support/admission/other-webhook.ts';
import { ARTIFACT_DIGEST, CONFIG } from '../support/rewriting.ts';
import { until } from '../support/until.ts';

const SOURCE = 'registry.test/web:1';
const ARTIFACT = `registry.test/web:1-nydus@${ARTIFACT_DIGEST}`;
const OTHER = 'registry.test/other:1';

let cluster: AdmissionCluster;

before(async () => {
  // As shipped.
  cluster = await startAdmission({ failurePolicy: 'Ignore' });
  await cluster.addImage('web', SOURCE);
  await cluster.addImage('shared', SOURCE, { metadata: { namespace: CONFIG.operatorNamespace } });
});
after(() => cluster?.[Symbol.asyncDispose]());

/** A webhook that is broken, and how often it was called. */
interface Broken extends AsyncDisposable {
  place: Place;
  called?: () => number;
  /** Whether the API server never sends it a request: because of its certificate. */
  mistrusted?: boolean;
}

async function overHttps(listener: RequestListener): Promise<Broken> {
  let calls = 0;
  const server = await startHttps((request, response) => {
    calls += 1;
    request.resume();
    listener(request, response);
  });
  return {
    place: { url: server.url },
    called: () => calls,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Answers with a patch, when nobody waits for it any more. */
function tooLate(response: ServerResponse, uid: string): void {
  response.once('close', () => response.end(JSON.stringify({ response: { uid, allowed: false } })));
}

async function withCertificate(notBefore: Date, trusted?: string): Promise<Broken> {
  const { cert, key, bundle } = await renew('create', undefined, ['localhost'], notBefore);
  let calls = 0;
  const listener: RequestListener = (_request, response) => {
    calls += 1;
    response.end();
  };
  const server = await startHttps(listener, { cert, key });
  return {
    called: () => calls,
    mistrusted: true,
    place: { url: server.url.replace('127.0.0.1', 'localhost'), caBundle: trusted ?? bundle.join('') },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

describe('a Pod is created as it was sent while the webhook', () => {
  const cases: Record<string, () => Promise<Broken>> = {
    'is gone': async () => {
      const [port = 0] = await freePorts(1);
      return { place: { url: `https://127.0.0.1:${port}/` }, [Symbol.asyncDispose]: async () => undefined };
    },
    'accepts connections and says nothing': async () => {
      const server = createServer();
      const sockets: { destroy(): void }[] = [];
      server.on('connection', (socket) => sockets.push(socket.on('error', () => socket.destroy())));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return {
        place: { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/` },
        called: () => sockets.length,
        async [Symbol.asyncDispose]() {
          for (const socket of sockets) {
            socket.destroy();
          }
          const closed = once(server, 'close');
          server.close();
          await closed;
        },
      };
    },
    'never answers': () => overHttps(() => undefined),
    'answers when it is too late': () =>
      overHttps((request, response) => {
        void json(request).then((body) => tooLate(response, (body as { request: { uid: string } }).request.uid));
      }),
    'answers half and no more': () =>
      overHttps((_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).write('{"apiVersion":"admission.k8s.io/v1",');
      }),
    'cuts the connection': () => overHttps((request) => request.socket.destroy()),
    'answers garbage': () => overHttps((_request, response) => response.end('\u0000 garbage')),
    'answers somebody else': () =>
      overHttps((_request, response) => {
        const answer = { response: { uid: 'another', allowed: false } };
        response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', ...answer }));
      }),
    'answers 500': () => overHttps((_request, response) => response.writeHead(500).end()),
    'answers 404': () => overHttps((_request, response) => response.writeHead(404).end()),
    'shows a certificate that has expired': () => withCertificate(new Date('2010-01-01')),
    'shows the certificate of another authority': async () => {
      const { bundle } = await renew('create', undefined, ['localhost'], new Date());
      return withCertificate(new Date(), bundle.join(''));
    },
  };

  for (const [name, start] of Object.entries(cases)) {
    test(name, async () => {
      await using broken = await start();
      await insteadOf(broken, async () => {
        const { pod } = await cluster.create(podOf(SOURCE));
        assert.deepEqual(changesOf(pod), { image: SOURCE, annotations: undefined, runtimeClass: undefined });
        const before = broken.called?.();
        if (before !== undefined) {
          assert.equal(before === 0, broken.mistrusted === true, `${before} calls`);
        }
        for (const namespace of ['kube-system', CONFIG.operatorNamespace]) {
          await cluster.create(podOf(SOURCE, { metadata: { namespace } }));
        }
        assert.equal(broken.called?.(), before, 'Pods of an excluded namespace were sent');
      });
    });
  }

  function changesOf({ metadata, spec }: Pod): object {
    return {
      image: spec?.containers[0]?.image,
      annotations: metadata.annotations,
      runtimeClass: spec?.runtimeClassName,
    };
  }

  /** Registers a broken webhook as the chart does, in place of the one that works. */
  async function insteadOf({ place }: Broken, body: () => Promise<void>): Promise<void> {
    let probes = 0;
    await using probe = await startOtherWebhook(() => {
      probes += 1;
      return { patch: [] };
    });
    await unregister(cluster);
    // In one object with a webhook that works, whose calls say that the API server has read it.
    const webhooks = [await chartWebhook(place), registrationOf(probe, 'probe')];
    await cluster.client.create(mutatingWebhookConfigurations, { metadata: { name: 'broken' }, webhooks });
    try {
      await until('the API server calls the broken webhook', async () => {
        const { calls } = await cluster.create(podOf(OTHER), { dryRun: true });
        return probes > 0 && calls.length === 0;
      });
      await body();
    } finally {
      await unregister(cluster, 'broken');
      await registerChart(cluster);
    }
  }
});

test('Pods are accelerated again as soon as the webhook answers again', async () => {
  const { pod } = await cluster.create(podOf(SOURCE));
  assert.equal(pod.spec?.containers[0]?.image, ARTIFACT);
});

test('Pods are admitted from memory while the webhook cannot reach the API server', async () => {
  cluster.watches.cut();
  try {
    const accelerated = await cluster.create(podOf(SOURCE));
    assert.equal(accelerated.pod.spec?.containers[0]?.image, ARTIFACT);
    const other = await cluster.create(podOf(OTHER));
    assert.equal(other.pod.spec?.containers[0]?.image, OTHER);
    assert.deepEqual(
      other.calls.map(({ reason }) => reason),
      ['NoAcceleratedImage'],
    );
  } finally {
    cluster.watches.mend();
  }
});

test('what has changed meanwhile counts as soon as it can again', async () => {
  cluster.watches.cut();
  await cluster.client.raw('POST', `/apis/slipstream.dev/v1alpha1/namespaces/${TEAM}/acceleratedimages`, {
    body: {
      apiVersion: 'slipstream.dev/v1alpha1',
      kind: 'AcceleratedImage',
      metadata: { name: 'other' },
      spec: { source: { image: OTHER } },
    },
  });
  const during = await cluster.create(podOf(OTHER));
  assert.equal(during.calls[0]?.reason, 'NoAcceleratedImage');
  cluster.watches.mend();
  await until('the new AcceleratedImage counts', async () => {
    const { calls } = await cluster.create(podOf(OTHER), { dryRun: true });
    return calls[0]?.reason === 'NotReady';
  });
});
