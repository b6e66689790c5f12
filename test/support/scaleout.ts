import type { Event, HorizontalPodAutoscaler, Pod } from '../../src/kube/resources.ts';
import type { Decision } from '../../src/api/v1alpha1/prefetchpolicy.ts';
import { horizontalPodAutoscaler, pod } from '../gen/objects.ts';
import { merge, type Overrides } from './merge.ts';

/** A time of the afternoon that scale-outs in tests happen in: `at('00:04.5')` is 4.5 s after noon. */
export function at(minutesAndSeconds: string): string {
  return `2026-01-01T12:${minutesAndSeconds}Z`;
}

/** The Deployment that scales. */
export const DEPLOYMENT = { kind: 'Deployment', name: 'web', uid: 'uid-web' };

/** A ReplicaSet of it, which was there long before. */
export const OLD_REPLICA_SET = 'uid-web-1';

/** What {@link decision} and {@link autoscaler} tell: decided at noon, warm 3 s later, 1→3 replicas after 45 s. */
export function decision(overrides: Partial<Decision> = {}): Decision {
  return {
    trigger: 'Autoscaler',
    reason: 'ThresholdPassed',
    message: 'cpu is at 0.87 of its target',
    at: at('00:00.120'),
    currentReplicas: 1,
    expectedReplicas: 3,
    warmStartedAt: at('00:00.400'),
    warmVerifiedAt: at('00:03.250'),
    scaledAt: at('00:45'),
    ...overrides,
  };
}

/** The autoscaler after the scale-out. */
export function autoscaler(status: Overrides = {}): HorizontalPodAutoscaler {
  return horizontalPodAutoscaler('web', {
    status: merge({ lastScaleTime: at('00:45'), currentReplicas: 1, desiredReplicas: 3 }, status),
  });
}

/** The times of a Pod in {@link at}'s notation; what is left out has not happened. */
export interface Way {
  created: string;
  scheduled?: string;
  started?: string;
  ready?: string;
  /** uid of its ReplicaSet. */
  owner?: string;
}

/** A Pod of {@link DEPLOYMENT} as the API server returns it. */
export function newPod(name: string, { created, scheduled, started, ready, owner = OLD_REPLICA_SET }: Way): Pod {
  const condition = (type: string, time: string | undefined): object[] =>
    time === undefined ? [] : [{ type, status: 'True', lastTransitionTime: at(time) }];
  const state = started === undefined ? { waiting: {} } : { running: { startedAt: at(started) } };
  return pod(name, {
    metadata: {
      creationTimestamp: at(created),
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner.slice(4), uid: owner, controller: true },
      ],
    },
    spec: { containers: [{ name: 'web' }], ...(scheduled === undefined ? {} : { nodeName: 'node-1' }) },
    status: {
      phase: 'Pending',
      conditions: [...condition('PodScheduled', scheduled), ...condition('Ready', ready)],
      containerStatuses: [{ name: 'web', restartCount: 0, state }],
    },
  });
}

/** An Event of the kubelet about the image of a Pod, as the API server shows it in events.k8s.io. */
export function pulledEvent(podName: string, time: string, note: string, container = 'web'): Event {
  return {
    metadata: { name: `${podName}.1`, namespace: 'team-a', creationTimestamp: at(time) },
    reason: 'Pulled',
    note,
    regarding: { kind: 'Pod', name: podName, uid: `uid-${podName}`, fieldPath: `spec.containers{${container}}` },
    deprecatedFirstTimestamp: at(time),
  } as unknown as Event;
}
