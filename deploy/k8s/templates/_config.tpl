{{/* runestone.yaml: what `values.config` says, on top of what follows from the chart. Every pod has the same file; each resolves
     the references of its own sections only. */}}

{{- define "runestone.storeUrls" -}}
{{- $redis := "memory" -}}
{{- if eq .Values.redis.mode "bundled" -}}
{{- $redis = printf "redis://:${RUNESTONE_REDIS_PASSWORD}@%s:6379/0" (include "runestone.name" (dict "root" . "part" "redis")) -}}
{{- else if eq .Values.redis.mode "external" -}}
{{- $redis = .Values.redis.external.url -}}
{{- end -}}
{{- $postgres := "sqlite" -}}
{{- if eq .Values.postgres.mode "bundled" -}}
{{- $postgres = printf "postgresql://runestone:${RUNESTONE_POSTGRES_PASSWORD}@%s:5432/runestone?sslmode=disable" (include "runestone.name" (dict "root" . "part" "postgres")) -}}
{{- else if eq .Values.postgres.mode "external" -}}
{{- $postgres = .Values.postgres.external.url -}}
{{- end -}}
redis: {{ $redis | quote }}
postgres: {{ $postgres | quote }}
{{- end -}}

{{- define "runestone.meshConfig" -}}
{{- $root := . -}}
{{- range $name, $service := omit (include "runestone.services" . | fromYaml) "edge" }}
{{ $name }}:
  listen: "0.0.0.0:{{ $service.ports.mesh }}"
  endpoints: ["{{ include "runestone.headless" (list $root $name) }}:{{ $service.ports.mesh }}"]
  probe: "0.0.0.0:{{ $service.ports.probe }}"
  admin: "0.0.0.0:{{ $service.ports.admin }}"
{{- end }}
{{- if ne .Values.mesh.tls.mode "off" }}
tls:
  {{- include "runestone.tlsFiles" . | nindent 2 }}
  trust_domain: {{ .Values.mesh.tls.trustDomain | quote }}
{{- end }}
{{- end -}}

{{- define "runestone.chartConfig" -}}
{{- $stores := include "runestone.storeUrls" . | fromYaml -}}
edge:
  http:
    host: 0.0.0.0
    port: 4003
    trusted_proxies: {{ toJson .Values.edge.trustedProxies }}
    {{- if and .Values.envoy.enabled (ne .Values.mesh.tls.mode "off") }}
    tls:
      {{- include "runestone.tlsFiles" . | nindent 6 }}
    {{- end }}
  admin:
    host: 0.0.0.0
    port: 4004
    key: "${RUNESTONE_ADMIN_KEY}"
  websocket:
    port: 4005
  grpc:
    host: 0.0.0.0
    port: 4006
    {{- if ne .Values.mesh.tls.mode "off" }}
    tls:
      {{- include "runestone.tlsFiles" . | nindent 6 }}
    {{- end }}
  drain:
    delay: 5s
    grace: 60s
    ship: 20s
  {{- if .Values.secrets.keyPepper.existingSecret }}
  key_pepper: "${RUNESTONE_KEY_PEPPER}"
  {{- end }}
cache:
  store: {{ $stores.redis | quote }}
  {{- if .Values.secrets.encryption.existingSecret }}
  encryption:
    master_key: "${RUNESTONE_MASTER_KEY}"
  {{- end }}
ratelimit:
  store: {{ $stores.redis | quote }}
  {{- if and .Values.envoy.enabled .Values.envoy.rateLimit.enabled }}
  domains:
    - domain: runestone-edge
      descriptors:
        - key: remote_address
          rate_limit:
            unit: second
            requests_per_unit: {{ .Values.envoy.rateLimit.requestsPerSecond }}
  {{- end }}
audit:
  store: {{ $stores.postgres | quote }}
mesh:
  {{- include "runestone.meshConfig" . | nindent 2 }}
{{- if include "runestone.isDevelopment" . }}
tenants:
  - name: development
    keys:
      - name: development
        secret: "${RUNESTONE_DEVELOPMENT_KEY}"
{{- end }}
{{- end -}}

{{/* The whole as YAML. */}}
{{- define "runestone.config" -}}
{{- $config := mergeOverwrite (include "runestone.chartConfig" . | fromYaml) (deepCopy .Values.config) -}}
{{- if .Values.tenants.keysSecret -}}
{{- range $config.tenants -}}
{{- if not (hasKey . "keys_file") -}}
{{- $_ := set . "keys_file" (printf "/etc/runestone-keys/%s.yaml" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Seconds of a duration as runestone.yaml writes it, rounded up: 500ms, 30s, 10m, 1h, 1d, 12. */}}
{{- define "runestone.seconds" -}}
{{- $text := printf "%v" . | nospace -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexFind "[a-z]*$" $text -}}
{{- ceil (mulf $number (get (dict "ms" 0.001 "" 1.0 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) $unit)) | int -}}
{{- end -}}

{{/* Seconds that calls have once SIGTERM has come. */}}
{{- define "runestone.callSeconds" -}}
{{- $drain := (include "runestone.config" . | fromYaml).edge.drain -}}
{{- add (include "runestone.seconds" $drain.delay | int) (include "runestone.seconds" $drain.grace | int) -}}
{{- end -}}

{{/* Seconds from SIGTERM's preparation to the end of a pod whose records are shipped; what `terminationGracePeriodSeconds` must cover. */}}
{{- define "runestone.drainSeconds" -}}
{{- $ship := include "runestone.seconds" (include "runestone.config" . | fromYaml).edge.drain.ship | int -}}
{{- add .Values.drain.sleepSeconds (include "runestone.callSeconds" . | int) $ship .Values.drain.marginSeconds -}}
{{- end -}}

{{- define "runestone.gracePeriod" -}}
{{- default (include "runestone.drainSeconds" . | int) .Values.drain.terminationGracePeriodSeconds -}}
{{- end -}}
