{{/* mTLS inside the mesh: where its files are in a pod, and which Secret they come from. */}}

{{- define "runestone.tlsFiles" -}}
cert: /etc/runestone/tls/tls.crt
key: /etc/runestone/tls/tls.key
ca: /etc/runestone/tls/ca.crt
{{- end -}}

{{/* Everybody who has an identity in the mesh. `operator` is for `runestone` commands from outside a pod. */}}
{{- define "runestone.identities" -}}
names: [edge, cache, ratelimit, provider, audit, operator{{ if .Values.envoy.enabled }}, envoy{{ end }}]
{{- end -}}

{{/* The Secret with an identity's tls.crt, tls.key and ca.crt. Takes (dict "root" $ "part" "edge"). */}}
{{- define "runestone.tlsSecret" -}}
{{- if eq .root.Values.mesh.tls.mode "existingSecret" -}}
{{- get .root.Values.mesh.tls.existingSecrets .part -}}
{{- else -}}
{{- printf "%s-mesh-tls" (include "runestone.name" .) -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the certificate that Envoy shows to clients. */}}
{{- define "runestone.frontSecret" -}}
{{- if eq .Values.envoy.tls.mode "existingSecret" -}}
{{- .Values.envoy.tls.existingSecret -}}
{{- else -}}
{{- printf "%s-front-tls" (include "runestone.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* The names under which clients reach Envoy: its Service's, and those of `envoy.tls.hosts`. */}}
{{- define "runestone.frontNames" -}}
{{- $name := include "runestone.name" (dict "root" . "part" "envoy") -}}
names:
  {{- range .Values.envoy.tls.hosts }}
  - {{ . | quote }}
  {{- end }}
  {{- if or (eq .Values.envoy.tls.mode "generated") (not .Values.envoy.tls.hosts) }}
  - {{ $name }}
  - {{ $name }}.{{ .Release.Namespace }}
  - {{ $name }}.{{ .Release.Namespace }}.svc
  - {{ $name }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
  - localhost
  {{- end }}
{{- end -}}
