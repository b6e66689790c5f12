import { GROUP } from './group.ts';

/** On a Node: true while its kubelet reports the configured runtime handler. The RuntimeClass schedules by it. */
export const NODE_CAPABLE_LABEL = `${GROUP}/nydus`;

/** On a Pod or a Namespace: the value `disabled` opts out of rewriting. */
export const REWRITE_LABEL = `${GROUP}/rewrite`;
export const REWRITE_DISABLED = 'disabled';

/** On a Pod: `rewritten`, or `skipped: <Reason>` where an AcceleratedImage names one of its images. */
export const REWRITE_ANNOTATION = `${GROUP}/rewrite`;

/** On a Pod: JSON object, container name → the reference it had before the rewrite. */
export const ORIGINAL_IMAGES_ANNOTATION = `${GROUP}/original-images`;

/** Scheduling gate (KEP-3521) of a Pod that waits until its images are warm. */
export const HOLD_GATE = `${GROUP}/hold`;

/** On a Pod with that gate, and by it found: the longest time that it waits, a Go duration from its creation. */
export const HOLD_LABEL = `${GROUP}/hold`;

/** The longest time that a Pod waits, whatever its label says: the upper bound of `spec.hold.maxDuration`, in milliseconds. */
export const LONGEST_HOLD_MS = 300_000;

/** On a conversion Job and its Pods: the hash that identifies the conversion. */
export const CONVERSION_LABEL = `${GROUP}/conversion`;

/** On a Job that copies to a region and its Pods: the hash that identifies the copy. */
export const REPLICATION_LABEL = `${GROUP}/replication`;

/** On a Job: the registry host that a conversion reads from, or a copy goes to, for the cap per registry. */
export const REGISTRY_ANNOTATION = `${GROUP}/registry`;

/** On an artifact's manifest: hash of the options that it was converted with. */
export const OPTIONS_ANNOTATION = `${GROUP}/options`;

/** On an artifact's manifest: what its layers were made with. Layers with the same are the same, whatever else is asked for. */
export const LAYER_OPTIONS_ANNOTATION = `${GROUP}/layer-options`;

/** On an artifact's manifest: digest of the manifest whose chunks it refers to. */
export const DICTIONARY_ANNOTATION = `${GROUP}/chunk-dictionary`;

/** On a blob layer of an artifact: the digest of the source layer that it was made from. */
export const SOURCE_LAYER_ANNOTATION = `${GROUP}/source-layer`;

/** On a blob layer of an artifact: what becomes of it depends on the layers below, so that it is not taken over. */
export const IRREGULAR_LAYER_ANNOTATION = `${GROUP}/irregular-layer`;

/**
 * On a blob layer of an artifact that lists files to prefetch: the ranges of its bytes that hold their content, such as
 * `0-1048575,4194304-5242879`. A layer without holds none of it, where another has some.
 */
export const PREFETCH_RANGES_ANNOTATION = `${GROUP}/prefetch-ranges`;

/** Tells containerd (1.7 to 2.4) which runtime handler, and so which snapshotter, pulls this Pod's images. */
export const RUNTIME_HANDLER_ANNOTATION = 'io.containerd.cri.runtime-handler';

/** On a Node: its region, as the cloud provider or an admin says. */
export const REGION_LABEL = 'topology.kubernetes.io/region';

/** On an AcceleratedImage with `deletionPolicy: Delete`: it goes when its tags have been seen to. */
export const CLEANUP_FINALIZER = `${GROUP}/cleanup`;

export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
export const MANAGED_BY = 'slipstream';

/** On an artifact's manifest: what its inspection found, as JSON of `status.inspection`. */
export const INSPECTION_ANNOTATION = `${GROUP}/inspection`;
