import { REWRITE_DISABLED, REWRITE_LABEL } from '../api/v1alpha1/labels.ts';
import type { Manifest } from '../kube/client.ts';
import type { Job } from '../kube/resources.ts';
import type { AgentRequest } from '../learn/agent.ts';

/** Seconds after which the Job ends, whatever it does; most of them are for pulling the image. */
export const DEADLINE_SECONDS = 120;
/** Seconds after which a finished Job is deleted where the command could not do so. */
const KEEP_FINISHED_SECONDS = 60;

/** The container of the Job. */
export const AGENT = 'learn';

/** A file or a socket of the node that the Job sees. */
export interface HostFile {
  /** Path on the node. */
  readonly path: string;
  readonly type: 'File' | 'Socket';
  /** Path in the container. */
  readonly at: string;
}

/** What a Job is to do, and where. */
export interface NodeJob {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  /** The operator's own image. */
  readonly image: string;
  readonly imagePullSecrets: readonly { readonly name?: string }[];
  readonly request: AgentRequest;
  readonly files: readonly HostFile[];
}

/**
 * A Job that asks on a node. It sees the named files of the node and nothing else of it. It runs as the user root, since the
 * sockets are root's, without any capability. It ends by itself, and its TTL deletes it even if nobody else does.
 */
export function nodeJob({ namespace, name, node, image, imagePullSecrets, request, files }: NodeJob): Manifest<Job> {
  const labels = { 'app.kubernetes.io/name': 'slipstream-learn', [REWRITE_LABEL]: REWRITE_DISABLED };
  return {
    metadata: { namespace, name, labels },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: DEADLINE_SECONDS,
      ttlSecondsAfterFinished: KEEP_FINISHED_SECONDS,
      template: {
        metadata: { labels },
        spec: {
          // Not the scheduler's to decide: the records are on this node, whatever its taints are.
          nodeName: node,
          tolerations: [{ operator: 'Exists' }],
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          imagePullSecrets: [...imagePullSecrets],
          securityContext: { runAsUser: 0, runAsGroup: 0, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: AGENT,
              image,
              // What it says when it fails is then in the Pod's status.
              terminationMessagePolicy: 'FallbackToLogsOnError',
              args: ['learn-on-node', `--request=${JSON.stringify(request)}`],
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              resources: { requests: { cpu: '10m', memory: '128Mi' }, limits: { memory: '1Gi' } },
              volumeMounts: files.map(({ at }, index) => ({ name: `file-${index}`, mountPath: at, readOnly: true })),
            },
          ],
          volumes: files.map(({ path, type }, index) => ({ name: `file-${index}`, hostPath: { path, type } })),
        },
      },
    },
  };
}
