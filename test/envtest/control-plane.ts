import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { toolPath } from '../../hack/tools/locate.ts';
import { freePorts } from './ports.ts';
import { startProcess, type Process } from './process.ts';

const ADMIN_TOKEN = 'envtest-admin';

/** A running etcd and kube-apiserver. */
export interface ControlPlane {
  /** Base URL of the API server. */
  url: string;
  /** Base URL of etcd's client API; its JSON gateway is on. */
  etcdUrl: string;
  processes: Process[];
}

/**
 * Starts etcd and kube-apiserver on free ports of 127.0.0.1, with everything they store in `directory`.
 * @param plugins admission plugins beside those that are on by default
 * @param flags more flags of kube-apiserver
 */
export async function startControlPlane(
  directory: string,
  plugins: readonly string[],
  flags: readonly string[],
): Promise<ControlPlane> {
  const [etcdPort = 0, peerPort = 0, securePort = 0] = await freePorts(3);
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const etcd = await startProcess(
    toolPath('etcd'),
    [
      `--data-dir=${join(directory, 'etcd')}`,
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
      '--unsafe-no-fsync',
    ],
    join(directory, 'etcd.log'),
  );
  const apiserver = await startProcess(
    toolPath('kube-apiserver'),
    [
      `--etcd-servers=${etcdUrl}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${securePort}`,
      `--cert-dir=${certificates(directory)}`,
      '--authorization-mode=RBAC',
      // There is no controller-manager that would make the ServiceAccounts this plugin asks for.
      ...(plugins.includes('ServiceAccount') ? [] : ['--disable-admission-plugins=ServiceAccount']),
      ...(plugins.length === 0 ? [] : [`--enable-admission-plugins=${plugins.join(',')}`]),
      '--service-cluster-ip-range=10.0.0.0/24',
      '--allow-privileged=true',
      ...flags,
      ...(await writeCredentials(directory)),
    ],
    join(directory, 'kube-apiserver.log'),
  );
  return { url: `https://127.0.0.1:${securePort}`, etcdUrl, processes: [apiserver, etcd] };
}

/**
 * Writes a kubeconfig for a user, whom the admin impersonates.
 * @returns the path of the file. Throws while the API server has not made its certificate yet.
 */
export async function writeKubeconfig(directory: string, url: string, user: string, file = user): Promise<string> {
  // Self-signed; the file holds the certificate and its CA.
  const ca = await readFile(join(certificates(directory), 'apiserver.crt'));
  const path = join(directory, `${file.replaceAll(/[^a-z0-9]/g, '-')}.kubeconfig`);
  const identity = { token: ADMIN_TOKEN, ...(user === 'admin' ? {} : { as: user }) };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'envtest', cluster: { server: url, 'certificate-authority-data': ca.toString('base64') } }],
    users: [{ name: user, user: identity }],
    contexts: [{ name: 'envtest', context: { cluster: 'envtest', user } }],
    'current-context': 'envtest',
  };
  await writeFile(path, dump(config), { mode: 0o600 });
  return path;
}

/** The admin's token and the keys that sign ServiceAccount tokens, with the flags that name them. */
async function writeCredentials(directory: string): Promise<string[]> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const path = (name: string): string => join(directory, name);
  await Promise.all([
    writeFile(path('tokens.csv'), `${ADMIN_TOKEN},admin,admin,"system:masters"\n`, { mode: 0o600 }),
    writeFile(path('sa.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 }),
    writeFile(path('sa.pub'), publicKey.export({ type: 'spki', format: 'pem' })),
  ]);
  return [
    `--token-auth-file=${path('tokens.csv')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${path('sa.pub')}`,
    `--service-account-signing-key-file=${path('sa.key')}`,
  ];
}

function certificates(directory: string): string {
  return join(directory, 'certificates');
}
