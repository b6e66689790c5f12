import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { API_VERSION } from '../../api/v1alpha1/group.ts';
import {
  MANAGED_BY,
  MANAGED_BY_LABEL,
  REGISTRY_ANNOTATION,
  REWRITE_DISABLED,
  REWRITE_LABEL,
} from '../../api/v1alpha1/labels.ts';
import type { Config } from '../../config.ts';
import type { exitCode } from '../../converter/result.ts';
import type { Manifest } from '../../kube/client.ts';
import type { Job } from '../../kube/resources.ts';
import { parseDuration } from '../duration.ts';

/** Seconds that a finished Job stays, for people to read its log. */
const KEEP_FINISHED_SECONDS = 3600;
/** What the worker exits with when the same request would fail again. */
const EXIT_PERMANENT: ReturnType<typeof exitCode> = 3;
const DOCKER_CONFIGS = '/var/run/slipstream';
/** The user of the operator's image (Dockerfile). */
const NON_ROOT = 65532;

/** What a Job of ours is to do for an AcceleratedImage. */
export interface WorkerJob {
  image: AcceleratedImage;
  name: string;
  /** Key and value of the label that tells which work it is. */
  label: readonly [key: string, value: string];
  /** Registry host that counts for the cap per registry. */
  registry: string;
  /** Command of the program, and name of the container. */
  command: 'convert' | 'replicate';
  /** Its `--request`. */
  request: object;
  /** Secrets of the namespace by the role that they play: mounted, and named to the command as `--ROLE-config`. */
  secrets: Readonly<Record<string, string | undefined>>;
  /** Where it may write, if it writes. */
  scratch?: string;
}

/**
 * A Job as `spec.conversion` of its AcceleratedImage says. Its Pod meets the `restricted` Pod Security level, holds no
 * Kubernetes permission, and mounts the Secrets of its own namespace, which the operator need not read for that.
 */
export function workerJob(work: WorkerJob, config: Config): Manifest<Job> {
  const { image, name, registry, command, request, scratch } = work;
  const { namespace } = image.metadata;
  const { conversion } = image.spec;
  const labels = { [MANAGED_BY_LABEL]: MANAGED_BY, [work.label[0]]: work.label[1] };
  const configs = Object.entries(work.secrets).flatMap(([role, secretName]) =>
    secretName === undefined ? [] : [{ role, secretName }],
  );
  return {
    metadata: {
      name,
      namespace,
      labels,
      annotations: { [REGISTRY_ANNOTATION]: registry },
      ownerReferences: [
        {
          apiVersion: API_VERSION,
          kind: 'AcceleratedImage',
          name: image.metadata.name,
          uid: image.metadata.uid,
          controller: true,
          blockOwnerDeletion: false,
        },
      ],
    },
    spec: {
      backoffLimit: conversion.backoffLimit,
      activeDeadlineSeconds: Math.ceil(parseDuration(conversion.timeout) / 1000),
      ttlSecondsAfterFinished: KEEP_FINISHED_SECONDS,
      podFailurePolicy: {
        rules: [
          { action: 'FailJob', onExitCodes: { containerName: command, operator: 'In', values: [EXIT_PERMANENT] } },
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
        ],
      },
      template: {
        metadata: { labels: { ...labels, [REWRITE_LABEL]: REWRITE_DISABLED } },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          ...optional(
            'imagePullSecrets',
            nonEmpty(config.conversion.imagePullSecrets)?.map((secret) => ({ name: secret })),
          ),
          ...optional('nodeSelector', conversion.nodeSelector),
          ...optional('tolerations', conversion.tolerations),
          ...optional('priorityClassName', conversion.priorityClassName),
          securityContext: {
            runAsNonRoot: true,
            runAsUser: NON_ROOT,
            runAsGroup: NON_ROOT,
            fsGroup: NON_ROOT,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name: command,
              image: config.conversion.image,
              args: [
                command,
                `--request=${JSON.stringify(request)}`,
                ...configs.map(({ role }) => `--${role}-config=${DOCKER_CONFIGS}/${role}/config.json`),
              ],
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              ...optional('resources', resources(conversion.resources)),
              volumeMounts: [
                ...(scratch === undefined ? [] : [{ name: 'work', mountPath: scratch }]),
                ...configs.map(({ role }) => ({ name: role, mountPath: `${DOCKER_CONFIGS}/${role}`, readOnly: true })),
              ],
            },
          ],
          volumes: [
            ...(scratch === undefined
              ? []
              : [{ name: 'work', emptyDir: { sizeLimit: config.conversion.workSizeLimit } }]),
            ...configs.map(({ role, secretName }) => ({
              name: role,
              secret: { secretName, items: [{ key: '.dockerconfigjson', path: 'config.json' }] },
            })),
          ],
        },
      },
    },
  };
}

/** Quantities as the API server writes them: a number such as `cpu: 2` is text on the wire. */
function resources(wanted: AcceleratedImage['spec']['conversion']['resources']) {
  const text = (list: Readonly<Record<string, number | string>> | undefined): Record<string, string> | undefined =>
    list === undefined
      ? undefined
      : Object.fromEntries(Object.entries(list).map(([name, value]) => [name, String(value)]));
  return wanted === undefined
    ? undefined
    : { ...optional('requests', text(wanted.requests)), ...optional('limits', text(wanted.limits)) };
}

function nonEmpty<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length === 0 ? undefined : items;
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
