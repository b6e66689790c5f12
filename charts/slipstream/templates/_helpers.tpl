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

{{/* Who every Role and ClusterRole of the chart is bound to. */}}
{{- define "slipstream.subjects" -}}
- kind: ServiceAccount
  name: {{ include "slipstream.fullname" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
