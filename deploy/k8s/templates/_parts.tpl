{{/* The tables that the other templates are made from: what there is, and who calls whom. */}}

{{/* Our services: image and the ports they listen on. `mesh`: spoken inside, with mTLS. `probe`: gRPC health for the kubelet,
     in the clear. `admin`: operators' HTTP. */}}
{{- define "runestone.services" -}}
edge: {image: gateway-edge, ports: {http: 4003, admin: 4004, websocket: 4005, grpc: 4006}, metrics: admin, inFlight: runestone_calls_running}
cache: {image: cache-svc, ports: {mesh: 50051, probe: 50060, admin: 9090}, metrics: admin, inFlight: runestone_rpc_server_running}
ratelimit: {image: ratelimit-svc, ports: {mesh: 50052, probe: 50060, admin: 9090}, metrics: admin, inFlight: runestone_rpc_server_running}
provider: {image: provider-svc, ports: {mesh: 50053, probe: 50060, admin: 9090}, metrics: admin, inFlight: runestone_upstream_running}
audit: {image: audit-svc, ports: {mesh: 50054, probe: 50060, admin: 9090}, metrics: admin, inFlight: runestone_rpc_server_running}
{{- end -}}

{{/* Envoy's ports: `https` and `http` for clients, `grpc` for other callers inside the cluster, `metrics` for Prometheus and probes. */}}
{{- define "runestone.envoyPorts" -}}
https: 8443
http: 8080
grpc: 50050
metrics: 9902
{{- end -}}

{{/* Who calls whom inside the release: caller, callee, and the callee's ports by name. NetworkPolicies are these pairs. */}}
{{- define "runestone.pairs" -}}
pairs:
  - {from: edge, to: cache, ports: {mesh: 50051}}
  - {from: edge, to: ratelimit, ports: {mesh: 50052}}
  - {from: edge, to: provider, ports: {mesh: 50053}}
  - {from: edge, to: audit, ports: {mesh: 50054}}
  - {from: provider, to: cache, ports: {mesh: 50051}}
  {{- if .Values.envoy.enabled }}
  - {from: envoy, to: edge, ports: {http: 4003, admin: 4004, grpc: 4006}}
  - {from: envoy, to: cache, ports: {mesh: 50051}}
  - {from: envoy, to: ratelimit, ports: {mesh: 50052}}
  - {from: envoy, to: provider, ports: {mesh: 50053}}
  - {from: envoy, to: audit, ports: {mesh: 50054}}
  - {from: test, to: envoy, ports: {https: 8443}}
  {{- else }}
  - {from: test, to: edge, ports: {http: 4003}}
  {{- end }}
  {{- if eq .Values.redis.mode "bundled" }}
  - {from: cache, to: redis, ports: {redis: 6379}}
  - {from: ratelimit, to: redis, ports: {redis: 6379}}
  {{- end }}
  {{- if eq .Values.postgres.mode "bundled" }}
  - {from: audit, to: postgres, ports: {postgres: 5432}}
  {{- end }}
{{- end -}}

{{/* All parts that run in pods of their own, as a list. */}}
{{- define "runestone.parts" -}}
parts: [edge, cache, ratelimit, provider, audit
  {{- if .Values.envoy.enabled }}, envoy{{ end }}
  {{- if eq .Values.redis.mode "bundled" }}, redis{{ end }}
  {{- if eq .Values.postgres.mode "bundled" }}, postgres{{ end }}]
{{- end -}}

{{/* The most replicas that a part may have: its own number, or what it may be scaled to. Takes (dict "root" $ "part" ...). */}}
{{- define "runestone.mostReplicas" -}}
{{- $values := get .root.Values .part -}}
{{- ternary $values.autoscaling.maxReplicas $values.replicas $values.autoscaling.enabled -}}
{{- end -}}
