{{/* Rules of NetworkPolicies that lead out of the release or into it. Those between its own pods are the table `runestone.pairs`. */}}

{{/* Prometheus, to a part's metrics port. */}}
{{- define "runestone.scrape" -}}
- from:
    {{- toYaml .root.Values.networkPolicy.prometheus | nindent 4 }}
  ports:
    {{- if eq .part "envoy" }}
    - {port: {{ (include "runestone.envoyPorts" .root | fromYaml).metrics }}, protocol: TCP}
    {{- else }}
    - {port: {{ get (get (include "runestone.services" .root | fromYaml) .part).ports .metrics }}, protocol: TCP}
    {{- end }}
{{- end -}}

{{/* Clients of Envoy: everybody, unless `networkPolicy.clients` names some; and callers of plain gRPC, nobody unless they are named. */}}
{{- define "runestone.clients" -}}
{{- $ports := include "runestone.envoyPorts" . | fromYaml -}}
- ports:
    - {port: {{ $ports.https }}, protocol: TCP}
    - {port: {{ $ports.http }}, protocol: TCP}
  {{- with .Values.networkPolicy.clients }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- if .Values.networkPolicy.grpcCallers }}
- ports:
    - {port: {{ $ports.grpc }}, protocol: TCP}
  from:
    {{- toYaml .Values.networkPolicy.grpcCallers | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "runestone.dns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* Where a part may go outside of the release: its external store, model providers, the collector of traces. */}}
{{- define "runestone.outside" -}}
{{- $v := .root.Values -}}
{{- $config := include "runestone.config" .root | fromYaml -}}
{{- $rules := list -}}
{{- if and (has .part (list "cache" "ratelimit")) (eq $v.redis.mode "external") -}}
{{- $rules = append $rules (dict "to" $v.redis.external.peers "ports" $v.redis.external.ports) -}}
{{- end -}}
{{- if and (eq .part "audit") (eq $v.postgres.mode "external") -}}
{{- $rules = append $rules (dict "to" $v.postgres.external.peers "ports" $v.postgres.external.ports) -}}
{{- end -}}
{{- if eq .part "provider" -}}
{{- $rules = append $rules (dict "to" $v.networkPolicy.providers.peers "ports" $v.networkPolicy.providers.ports) -}}
{{- end -}}
{{- $isOurs := hasKey (include "runestone.services" .root | fromYaml) .part -}}
{{- if and $isOurs ($config.telemetry | default dict).otlp_endpoint -}}
{{- $rules = append $rules (dict "to" $v.networkPolicy.collector.peers "ports" $v.networkPolicy.collector.ports) -}}
{{- end -}}
{{- range $rules }}
- to:
    {{- toYaml .to | nindent 4 }}
  ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- with get $v.networkPolicy.extraEgress .part }}
{{ toYaml . }}
{{- end }}
{{- end -}}
