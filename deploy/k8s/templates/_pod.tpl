{{/* What all pods have in common. Restricted Pod Security: https://kubernetes.io/docs/concepts/security/pod-security-standards/ */}}

{{- define "runestone.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .uid }}
runAsGroup: {{ .uid }}
fsGroup: {{ .uid }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "runestone.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Spread over zones and nodes, and away from replicas of the same part. */}}
{{- define "runestone.placement" -}}
{{- $values := get .root.Values .part -}}
topologySpreadConstraints:
{{- range $key, $policy := dict "topology.kubernetes.io/zone" "ScheduleAnyway" "kubernetes.io/hostname" "ScheduleAnyway" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $policy }}
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "runestone.selector" $ | nindent 8 }}
{{- end }}
affinity:
{{- if $values.affinity }}
  {{- toYaml $values.affinity | nindent 2 }}
{{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "runestone.selector" . | nindent 14 }}
{{- end }}
{{- include "runestone.nodes" . }}
{{- end -}}

{{/* On which nodes a part may run. */}}
{{- define "runestone.nodes" -}}
{{- $values := get .root.Values .part -}}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "runestone.podMetadata" -}}
{{- $values := get .root.Values .part -}}
labels:
  {{- include "runestone.podLabels" . | nindent 2 }}
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Who a pod is, and what the kubelet needs for it: no token, no service links. */}}
{{- define "runestone.podIdentity" -}}
serviceAccountName: {{ include "runestone.name" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The kubelet waits before SIGTERM, so that what still sends here has heard that this pod goes. */}}
{{- define "runestone.preStop" -}}
lifecycle:
  preStop:
    sleep:
      seconds: {{ .Values.drain.sleepSeconds }}
{{- end -}}
