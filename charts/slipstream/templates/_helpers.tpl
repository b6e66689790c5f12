{{/* Name of the chart in labels. */}}
{{- define "slipstream.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of every object: the release's, with the chart's where the release is called something else. */}}
{{- define "slipstream.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "slipstream.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "slipstream.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "slipstream.selectorLabels" -}}
app.kubernetes.io/name: {{ include "slipstream.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "slipstream.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "slipstream.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The operator's own image. */}}
{{- define "slipstream.image" -}}
{{- $repository := required "image.repository is required: the repository of the operator's image" .Values.image.repository }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* Secret that the operator keeps the webhook's certificates in. */}}
{{- define "slipstream.certificateSecret" -}}
{{- printf "%s-webhook" (include "slipstream.fullname" .) }}
{{- end }}

{{/* Whether Pods may be held; empty if not. */}}
{{- define "slipstream.holds" -}}
{{- if and .Values.hold.enabled (eq .Values.admission.mode "Webhook") }}true{{ end }}
{{- end }}

{{/* Name of everything that belongs to the releaser, and of its Lease. */}}
{{- define "slipstream.releaser" -}}
{{- printf "%s-release" (include "slipstream.fullname" .) }}
{{- end }}

{{/* Not those of the operator's Pods, which its Service must not find. */}}
{{- define "slipstream.releaserLabels" -}}
app.kubernetes.io/name: {{ printf "%s-release" (include "slipstream.name" . | trunc 55) }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Name of everything that belongs to the Job before an uninstallation. */}}
{{- define "slipstream.uninstaller" -}}
{{- printf "%s-uninstall" (include "slipstream.fullname" .) }}
{{- end }}

{{/* What Pods beside the operator's have in common: as which user and where they run. */}}
{{- define "slipstream.helperPod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "slipstream.helperContainer" -}}
image: {{ include "slipstream.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - name: POD_NAME
    valueFrom: { fieldRef: { fieldPath: metadata.name } }
  - name: POD_NAMESPACE
    valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
  - { name: NODE_OPTIONS, value: --max-semi-space-size=2 }
  - name: LOG_LEVEL
    value: {{ .Values.logLevel }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{/* What every Pod of the releaser has in common: as whom it runs, too. */}}
{{- define "slipstream.releaserPod" -}}
serviceAccountName: {{ include "slipstream.releaser" . }}
{{ include "slipstream.helperPod" . }}
{{- end }}

{{- define "slipstream.releaserContainer" -}}
name: release
{{ include "slipstream.helperContainer" . }}
{{- with .Values.hold.resources }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Who every Role and ClusterRole of the chart is bound to. */}}
{{- define "slipstream.subjects" -}}
- kind: ServiceAccount
  name: {{ include "slipstream.fullname" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Namespaces whose Pods are looked at: the operator's own Pods must be able to start while no replica answers. */}}
{{- define "slipstream.namespaceSelector" -}}
{{- if not (has "kube-system" .Values.webhook.excludedNamespaces) }}
{{- fail "webhook.excludedNamespaces must hold kube-system: the cluster's own Pods must never wait for this webhook" }}
{{- end -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ append .Values.webhook.excludedNamespaces .Release.Namespace | uniq | toJson }}
  - { key: slipstream.dev/rewrite, operator: NotIn, values: [disabled] }
{{- end }}

{{/* CEL: whether a Pod is none that the kubelet runs from a file. A change of the API server's picture of it would be a lie. */}}
{{- define "slipstream.notAMirrorPod" -}}
"!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)"
{{- end }}

{{/* CEL: the containers of a Pod that exist from its start. */}}
{{- define "slipstream.containers" -}}
(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))
{{- end }}

{{/*
CEL: what the text of slipstream.dev/original-images looks like: nothing, or a JSON object of strings. CEL reads no JSON, but
neither names of containers nor references hold a quote or a backslash.
*/}}
{{- define "slipstream.recordPattern" -}}
{{- $entry := `"[^"\\\\]+"\\s*:\\s*"[^"\\\\]+"` -}}
'^\\s*([{]\\s*({{ $entry }}\\s*(,\\s*{{ $entry }}\\s*)*)?[}])?\\s*$'
{{- end }}

{{/*
CEL: the keys of a RewriteTable for the list of images that the argument names, as parseReference and the index of the operator
make them: registry/repository:tag, or registry/repository@digest. What is no reference gets a key that no table has.
*/}}
{{- define "slipstream.imageKeys" -}}
{{ . }}.map(image, [image.split('@')[0]].map(named,
  [named.lastIndexOf(':') > named.lastIndexOf('/') ? named.substring(0, named.lastIndexOf(':')) : named].map(name,
    (!name.contains('/') ? 'docker.io/library/' + name :
      name.matches('^(?i)(index[.])?docker[.]io/') ?
        'docker.io/' + (name.split('/').size() == 2 ? 'library/' : '') + name.substring(name.indexOf('/') + 1) :
      name.matches('^([^/]*[.:]|localhost/)') ?
        name.substring(0, name.indexOf('/')).lowerAscii() + name.substring(name.indexOf('/')) :
      'docker.io/' + name) +
    (image.contains('@') ? image.substring(image.indexOf('@')) : named == name ? ':latest' : named.substring(name.size())))[0])[0])
{{- end }}

{{/* containerd's folder of a registry: it takes `host_port_` for `host:port`, which no key of a ConfigMap may be. */}}
{{- define "slipstream.hostDirectory" -}}
{{- regexReplaceAll ":([0-9]+)$" . "_${1}_" }}
{{- end }}
