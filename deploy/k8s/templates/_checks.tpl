{{/* What cannot be correct is refused here, in words. All reasons are told at once. */}}

{{- define "runestone.refusals" -}}
{{- $v := .Values -}}
{{- $config := include "runestone.config" . | fromYaml -}}
{{- $bad := list -}}
{{- $most := dict -}}
{{- range list "edge" "cache" "ratelimit" "provider" "audit" -}}
{{- $_ := set $most . (include "runestone.mostReplicas" (dict "root" $ "part" .) | int) -}}
{{- $scaling := (get $v .).autoscaling -}}
{{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- $bad = append $bad (printf "%s.autoscaling.minReplicas is above maxReplicas" .) -}}
{{- end -}}
{{- end -}}

{{- /* Stores that several replicas could not share. */ -}}
{{- if and (gt $most.ratelimit 1) (eq $config.ratelimit.store "memory") -}}
{{- $bad = append $bad "several ratelimit-svc on `memory` would each allow the whole limit: set redis.mode, or ratelimit.replicas (autoscaling.maxReplicas) to 1" -}}
{{- end -}}
{{- if and (gt $most.audit 1) (hasPrefix "sqlite" $config.audit.store) -}}
{{- $bad = append $bad "several audit-svc on SQLite cannot share their records: set postgres.mode, or audit.replicas (autoscaling.maxReplicas) to 1" -}}
{{- end -}}
{{- $state := default $config.cache.store ($config.cache.state | default dict).store -}}
{{- if and (gt $most.cache 1) (eq $state "memory") -}}
{{- $bad = append $bad "several cache-svc with shared state in memory know nothing of each other's rooms, streams and idempotency keys: set redis.mode or config.cache.state.store, or cache.replicas (autoscaling.maxReplicas) to 1" -}}
{{- end -}}
{{- if contains "+cluster://" $config.ratelimit.store -}}
{{- $bad = append $bad "ratelimit-svc cannot use a Redis cluster, which has no one server that could charge all limits of a call in one step: set config.ratelimit.store to a single Redis" -}}
{{- end -}}
{{- if and (eq $v.redis.mode "external") (not $v.redis.external.url) -}}
{{- $bad = append $bad "redis.mode is external: set redis.external.url" -}}
{{- end -}}
{{- if and (eq $v.postgres.mode "external") (not $v.postgres.external.url) -}}
{{- $bad = append $bad "postgres.mode is external: set postgres.external.url" -}}
{{- end -}}
{{- if and (eq $v.edge.spool.kind "persistent") $v.edge.autoscaling.enabled -}}
{{- $bad = append $bad "edge.spool.kind `persistent` with edge.autoscaling would leave records on the volumes of replicas that were scaled away: use `ephemeral` or `emptyDir`, or a fixed edge.replicas" -}}
{{- end -}}

{{- /* What the chart itself says in runestone.yaml. */ -}}
{{- if $v.config.mesh -}}
{{- $bad = append $bad "config.mesh follows from the chart: remove it" -}}
{{- end -}}
{{- range $door := list "http" "admin" "websocket" "grpc" -}}
{{- range $key := list "host" "port" -}}
{{- if hasKey (dig "edge" $door dict $v.config) $key -}}
{{- $bad = append $bad (printf "config.edge.%s.%s follows from the chart: remove it" $door $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range include "runestone.literalSecrets" . | fromYamlArray -}}
{{- $bad = append $bad (printf "config.%s would stand in a ConfigMap: put it into a Secret and write `${NAME}`" .) -}}
{{- end -}}

{{- /* Certificates. */ -}}
{{- if and (eq $v.mesh.tls.mode "certManager") (not $v.mesh.tls.certManager.issuer.name) -}}
{{- $bad = append $bad "mesh.tls.mode is certManager: set mesh.tls.certManager.issuer.name" -}}
{{- end -}}
{{- if eq $v.mesh.tls.mode "existingSecret" -}}
{{- range without (include "runestone.identities" . | fromYaml).names "operator" -}}
{{- if not (get $v.mesh.tls.existingSecrets .) -}}
{{- $bad = append $bad (printf "mesh.tls.mode is existingSecret: set mesh.tls.existingSecrets.%s" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $v.envoy.enabled -}}
{{- if and (eq $v.envoy.tls.mode "certManager") (not $v.envoy.tls.certManager.issuer.name) -}}
{{- $bad = append $bad "envoy.tls.mode is certManager: set envoy.tls.certManager.issuer.name" -}}
{{- end -}}
{{- if and (eq $v.envoy.tls.mode "certManager") (not $v.envoy.tls.hosts) -}}
{{- $bad = append $bad "envoy.tls.mode is certManager: set envoy.tls.hosts, the names that clients use" -}}
{{- end -}}
{{- if and (eq $v.envoy.tls.mode "existingSecret") (not $v.envoy.tls.existingSecret) -}}
{{- $bad = append $bad "envoy.tls.mode is existingSecret: set envoy.tls.existingSecret" -}}
{{- end -}}
{{- if and $v.envoy.autoscaling.enabled (gt (int $v.envoy.autoscaling.minReplicas) (int $v.envoy.autoscaling.maxReplicas)) -}}
{{- $bad = append $bad "envoy.autoscaling.minReplicas is above maxReplicas" -}}
{{- end -}}
{{- else if or $v.ingress.enabled $v.gateway.enabled -}}
{{- $bad = append $bad "ingress and gateway lead to Envoy: set envoy.enabled, or neither of them" -}}
{{- end -}}
{{- if and $v.envoy.enabled $v.envoy.redirectToHttps (or (and $v.ingress.enabled (eq $v.ingress.backend "http")) (and $v.gateway.enabled (eq $v.gateway.backend "http"))) -}}
{{- $bad = append $bad "a backend `http` that answers every request with a redirect to https would be asked for ever: set envoy.redirectToHttps to false, or the backend to https" -}}
{{- end -}}
{{- if and $v.gateway.enabled (not $v.gateway.parentRefs) -}}
{{- $bad = append $bad "gateway.enabled: set gateway.parentRefs, the Gateway that the route belongs to" -}}
{{- end -}}

{{- /* Stopping. */ -}}
{{- $needed := include "runestone.drainSeconds" . | int -}}
{{- if lt (include "runestone.gracePeriod" . | int) $needed -}}
{{- $bad = append $bad (printf "drain.terminationGracePeriodSeconds must be at least %d, which is drain.sleepSeconds, config.edge.drain.delay, .grace and .ship, and drain.marginSeconds together" $needed) -}}
{{- end -}}
{{- if and $v.monitoring.rules.enabled (not (.Files.Get "files/alerts.yaml")) -}}
{{- $bad = append $bad "monitoring.rules.enabled: this chart was packaged without files/alerts.yaml" -}}
{{- end -}}
{{- toYaml $bad -}}
{{- end -}}

{{- define "runestone.check" -}}
{{- with include "runestone.refusals" . | fromYamlArray -}}
{{- fail (printf "\n  - %s\n" (join "\n  - " .)) -}}
{{- end -}}
{{- end -}}

{{/* Paths in `config` where a secret stands in the clear instead of a reference. */}}
{{- define "runestone.literalSecrets" -}}
{{- $c := .Values.config -}}
{{- $found := list -}}
{{- range $i, $provider := $c.providers -}}
{{- if not (contains "${" (default "${" $provider.api_key)) -}}{{- $found = append $found (printf "providers[%d].api_key" $i) -}}{{- end -}}
{{- range $j, $key := $provider.api_keys -}}
{{- if not (contains "${" (default "${" $key.key)) -}}{{- $found = append $found (printf "providers[%d].api_keys[%d].key" $i $j) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- range $i, $tenant := $c.tenants -}}
{{- range $j, $key := $tenant.keys -}}
{{- if not (contains "${" (default "${" $key.secret)) -}}{{- $found = append $found (printf "tenants[%d].keys[%d].secret" $i $j) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- range list (list "edge" "admin" "key") (list "edge" "key_pepper") (list "cache" "encryption" "master_key") -}}
{{- $held := $c -}}
{{- range . -}}{{- $held = get ($held | default dict) . | default "" -}}{{- if not (kindIs "map" $held) -}}{{- $held = toString $held -}}{{- end -}}{{- end -}}
{{- if and $held (not (contains "${" $held)) -}}{{- $found = append $found (join "." .) -}}{{- end -}}
{{- end -}}
{{- range $section, $urls := dict "cache.store" (dig "cache" "store" "" $c) "cache.state.store" (dig "cache" "state" "store" "" $c) "ratelimit.store" (dig "ratelimit" "store" "" $c) "audit.store" (dig "audit" "store" "" $c) -}}
{{- if regexMatch "://[^/@]*:[^/@$]+@" $urls -}}{{- $found = append $found $section -}}{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}
