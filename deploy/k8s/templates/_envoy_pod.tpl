{{/* Envoy's pod. Its image is the maker's own, run as a user that the image does not know: it needs to write nowhere. */}}

{{/* files/envoy.yaml, with a listener for the kubelet and Prometheus beside: the admin port may stop Envoy, and stays on loopback. */}}
{{- define "runestone.envoyConfig" -}}
{{- $text := required "the chart has no files/envoy.yaml" (.Files.Get "files/envoy.yaml") -}}
{{- $document := tpl $text . | replace ".runestone.local" (printf ".%s" .Values.mesh.tls.trustDomain) | fromYaml -}}
{{- $static := $document.static_resources -}}
{{- if eq .Values.mesh.tls.mode "off" -}}
{{- include "runestone.envoyInTheClear" $static -}}
{{- end -}}
{{- $shown := .Files.Get "files/envoy-metrics.yaml" | fromYaml -}}
{{- $_ := set $static "listeners" (append $static.listeners $shown.listener) -}}
{{- $_ := set $static "clusters" (append $static.clusters $shown.cluster) -}}
{{- toYaml $document -}}
{{- end -}}

{{/* Takes mTLS out of what Envoy is started with, which is written with it. Says nothing itself. */}}
{{- define "runestone.envoyInTheClear" -}}
{{- range .clusters -}}
{{- $_ := unset . "transport_socket" -}}
{{- $_ := unset . "transport_socket_matches" -}}
{{- range .health_checks -}}{{- $_ := unset . "transport_socket_match_criteria" -}}{{- end -}}
{{- end -}}
{{- range .listeners -}}
{{- if eq .name "grpc" -}}{{- range .filter_chains -}}{{- $_ := unset . "transport_socket" -}}{{- end -}}{{- end -}}
{{- end -}}
{{- $front := list -}}
{{- range .secrets -}}{{- if eq .name "front" -}}{{- $front = append $front . -}}{{- end -}}{{- end -}}
{{- $_ := set . "secrets" $front -}}
{{- end -}}

{{- define "runestone.envoyPod" -}}
{{- $values := .root.Values.envoy -}}
metadata:
  {{- include "runestone.podMetadata" . | nindent 2 }}
  annotations:
    checksum/config: {{ include "runestone.envoyConfig" .root | sha256sum }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "runestone.podIdentity" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ include "runestone.gracePeriod" .root }}
  securityContext:
    {{- include "runestone.podSecurity" (dict "uid" 65532) | nindent 4 }}
  {{- include "runestone.placement" . | nindent 2 }}
  containers:
    - {{- include "runestone.envoyContainer" . | nindent 6 }}
  volumes:
    - name: config
      configMap:
        name: {{ include "runestone.name" . }}-config
    - name: front-tls
      secret:
        secretName: {{ include "runestone.frontSecret" .root }}
        defaultMode: 0440
    {{- if ne .root.Values.mesh.tls.mode "off" }}
    - name: mesh-tls
      secret:
        secretName: {{ include "runestone.tlsSecret" . }}
        defaultMode: 0440
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "runestone.envoyContainer" -}}
{{- $values := .root.Values.envoy -}}
name: envoy
image: {{ include "runestone.image" (dict "root" .root "image" $values.image "repository" "envoy") }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [envoy]
args:
  - --config-path
  - /etc/envoy-config/envoy.yaml
  - --log-level
  - {{ $values.logLevel }}
  - --drain-time-s
  - {{ (include "runestone.seconds" (include "runestone.config" .root | fromYaml).edge.drain.grace) | quote }}
securityContext:
  {{- include "runestone.containerSecurity" . | nindent 2 }}
env:
  - name: DRAIN_SLEEP
    value: {{ .root.Values.drain.sleepSeconds | quote }}
  - name: DRAIN_GRACE
    value: {{ include "runestone.callSeconds" .root | quote }}
  {{- with $values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  {{- range $name, $port := include "runestone.envoyPorts" .root | fromYaml }}
  - name: {{ $name }}
    containerPort: {{ $port }}
    protocol: TCP
  {{- end }}
startupProbe:
  httpGet: {path: /ready, port: metrics}
  periodSeconds: 1
  failureThreshold: 60
  timeoutSeconds: 2
readinessProbe:
  httpGet: {path: /ready, port: metrics}
  periodSeconds: 5
  failureThreshold: 2
  timeoutSeconds: 3
livenessProbe:
  httpGet: {path: /ready, port: metrics}
  periodSeconds: 10
  failureThreshold: 6
  timeoutSeconds: 5
# SIGTERM would end every connection at once: listeners are drained before, for as long as calls run.
lifecycle:
  preStop:
    exec:
      command: [bash, /etc/envoy-config/drain.sh]
resources:
  {{- toYaml $values.resources | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/envoy-config
    readOnly: true
  - name: front-tls
    mountPath: /etc/envoy/tls
    readOnly: true
  {{- if ne .root.Values.mesh.tls.mode "off" }}
  - name: mesh-tls
    mountPath: /etc/runestone/tls
    readOnly: true
  {{- end }}
  - name: tmp
    mountPath: /tmp
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
