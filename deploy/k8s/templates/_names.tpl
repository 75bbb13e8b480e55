{{/* What everything is called, and the labels by which it is found. */}}

{{- define "runestone.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (default .Chart.Name .Values.nameOverride) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of a part's objects. Takes (dict "root" $ "part" "edge"). */}}
{{- define "runestone.name" -}}
{{- printf "%s-%s" (include "runestone.fullname" .root) .part -}}
{{- end -}}

{{/* The labels that say whose pods these are. Never changed: selectors of a Deployment are immutable. */}}
{{- define "runestone.releaseSelector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "runestone.selector" -}}
{{ include "runestone.releaseSelector" .root }}
app.kubernetes.io/component: {{ .part | quote }}
{{- end -}}

{{- define "runestone.labels" -}}
{{ include "runestone.selector" . }}
app.kubernetes.io/part-of: runestone
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of pods: without the chart's version, so that a new chart alone replaces none. */}}
{{- define "runestone.podLabels" -}}
{{ include "runestone.selector" . }}
app.kubernetes.io/part-of: runestone
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "runestone.metadata" -}}
name: {{ default (include "runestone.name" .) .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "runestone.labels" . | nindent 2 }}
{{- end -}}

{{/* The DNS name under which all pods of a part are found one by one. Takes (list $ "edge"). */}}
{{- define "runestone.headless" -}}
{{- $root := index . 0 -}}
{{- printf "%s-headless.%s.svc.%s" (include "runestone.name" (dict "root" $root "part" (index . 1))) $root.Release.Namespace $root.Values.clusterDomain -}}
{{- end -}}

{{/* An image by digest where there is one, else by tag. Takes (dict "root" $ "image" <values> "repository" <default>). */}}
{{- define "runestone.image" -}}
{{- $common := .root.Values.image -}}
{{- $repository := default (printf "%s/%s" $common.repository .repository) .image.repository -}}
{{- $registry := ternary (printf "%s/" $common.registry) "" (and (ne $common.registry "") (eq .image.repository "")) -}}
{{- if .image.digest -}}
{{- printf "%s%s@%s" $registry $repository .image.digest -}}
{{- else -}}
{{- printf "%s%s:%s" $registry $repository (default (default .root.Chart.AppVersion $common.tag) .image.tag) -}}
{{- end -}}
{{- end -}}
