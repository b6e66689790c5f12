import type { AcceleratedImage } from '../../api/v1alpha1/acceleratedimage.ts';
import { API_VERSION } from '../../api/v1alpha1/group.ts';
import {
  CONVERSION_LABEL,
  MANAGED_BY,
  MANAGED_BY_LABEL,
  REGISTRY_ANNOTATION,
  REWRITE_DISABLED,
  REWRITE_LABEL,
} from '../../api/v1alpha1/labels.ts';
import type { Config } from '../../config.ts';
import type { exitCode } from '../../converter/result.ts';
import type { ConvertRequest } from '../../converter/options.ts';
import type { Manifest } from '../../kube/client.ts';
import type { Job } from '../../kube/resources.ts';
import { parseDuration } from '../duration.ts';

/** Seconds that a finished Job stays, for people to read its log. */
const KEEP_FINISHED_SECONDS = 3600;
/** What the worker exits with when the same request would fail again. */
const EXIT_PERMANENT: ReturnType<typeof exitCode> = 3;
const SCRATCH = '/work';
const DOCKER_CONFIGS = '/var/run/slipstream';
/** The user of the operator's image (Dockerfile). */
const NON_ROOT = 65532;

export interface JobRequest {
  image: AcceleratedImage;
  name: string;
  hash: string;
  /** Registry host that is read from. */
  registry: string;
  convert: Omit<ConvertRequest, 'workDir'>;
}

/**
 * The Job that converts one image. Its Pod meets the `restricted` Pod Security level, holds no Kubernetes permission, and
 * mounts the Secrets of its own namespace, which the operator need not read for that.
 */
export function buildJob({ image, name, hash, registry, convert }: JobRequest, config: Config): Manifest<Job> {
  const { namespace } = image.metadata;
  const { conversion, source, target } = image.spec;
  const labels = { [MANAGED_BY_LABEL]: MANAGED_BY, [CONVERSION_LABEL]: hash };
  const pullSecret = source.pullSecretRef?.name;
  const pushSecret = target.pushSecretRef?.name ?? pullSecret;
  const configs = [
    ...(pullSecret === undefined ? [] : [{ role: 'source', secretName: pullSecret }]),
    ...(pushSecret === undefined ? [] : [{ role: 'target', secretName: pushSecret }]),
  ];
  const request: ConvertRequest = { ...convert, workDir: SCRATCH };
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
          { action: 'FailJob', onExitCodes: { containerName: 'convert', operator: 'In', values: [EXIT_PERMANENT] } },
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
              name: 'convert',
              image: config.conversion.image,
              args: [
                'convert',
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
                { name: 'work', mountPath: SCRATCH },
                ...configs.map(({ role }) => ({ name: role, mountPath: `${DOCKER_CONFIGS}/${role}`, readOnly: true })),
              ],
            },
          ],
          volumes: [
            { name: 'work', emptyDir: { sizeLimit: config.conversion.workSizeLimit } },
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
