{{/* Which Secrets there are, whose they are, and which part gets which of their keys. A part gets nothing that it does not need. */}}

{{/* A Secret of the user's, or the one that this chart makes. Takes (dict "given" "" "root" $ "made" "keys"). */}}
{{- define "runestone.secretName" -}}
{{- default (include "runestone.name" (dict "root" .root "part" .made)) .given -}}
{{- end -}}

{{/* Whether nobody but the tenant `development`, whose key this chart makes, could call. */}}
{{- define "runestone.isDevelopment" -}}
{{- if and (not .Values.config.tenants) (ne (default "required" .Values.config.auth) "none") -}}true{{- end -}}
{{- end -}}

{{/* The environment variables that a part has of Secrets, as `env: [{name, secret, key}]`. */}}
{{- define "runestone.secretEnv" -}}
{{- $v := .root.Values -}}
env:
{{- if eq .part "edge" }}
  - {name: RUNESTONE_ADMIN_KEY, secret: {{ include "runestone.secretName" (dict "root" .root "given" $v.secrets.adminKey.existingSecret "made" "keys") }}, key: {{ $v.secrets.adminKey.key }}}
  {{- if include "runestone.isDevelopment" .root }}
  - {name: RUNESTONE_DEVELOPMENT_KEY, secret: {{ include "runestone.secretName" (dict "root" .root "given" $v.tenants.developmentKey.existingSecret "made" "keys") }}, key: {{ $v.tenants.developmentKey.key }}}
  {{- end }}
  {{- with $v.secrets.keyPepper.existingSecret }}
  - {name: RUNESTONE_KEY_PEPPER, secret: {{ . }}, key: {{ $v.secrets.keyPepper.key }}}
  {{- end }}
{{- end }}
{{- if has .part (list "cache" "ratelimit") }}
  {{- if eq $v.redis.mode "bundled" }}
  - {name: RUNESTONE_REDIS_PASSWORD, secret: {{ include "runestone.secretName" (dict "root" .root "given" $v.redis.bundled.existingSecret "made" "redis") }}, key: {{ $v.redis.bundled.passwordKey }}}
  {{- else if and (eq $v.redis.mode "external") $v.redis.external.existingSecret }}
  - {name: RUNESTONE_REDIS_PASSWORD, secret: {{ $v.redis.external.existingSecret }}, key: {{ $v.redis.external.passwordKey }}}
  {{- end }}
{{- end }}
{{- if eq .part "cache" }}
  {{- with $v.secrets.encryption.existingSecret }}
  - {name: RUNESTONE_MASTER_KEY, secret: {{ . }}, key: {{ $v.secrets.encryption.key }}}
  {{- end }}
{{- end }}
{{- if eq .part "audit" }}
  {{- if eq $v.postgres.mode "bundled" }}
  - {name: RUNESTONE_POSTGRES_PASSWORD, secret: {{ include "runestone.secretName" (dict "root" .root "given" $v.postgres.bundled.existingSecret "made" "postgres") }}, key: {{ $v.postgres.bundled.passwordKey }}}
  {{- else if and (eq $v.postgres.mode "external") $v.postgres.external.existingSecret }}
  - {name: RUNESTONE_POSTGRES_PASSWORD, secret: {{ $v.postgres.external.existingSecret }}, key: {{ $v.postgres.external.passwordKey }}}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The Secrets of which a part has every key as an environment variable: those that runestone.yaml refers to by names of the user's. */}}
{{- define "runestone.secretEnvFrom" -}}
names:
{{- if and (eq .part "edge") .root.Values.tenants.existingSecret }}
  - {{ .root.Values.tenants.existingSecret }}
{{- end }}
{{- if and (eq .part "provider") .root.Values.secrets.providers.existingSecret }}
  - {{ .root.Values.secrets.providers.existingSecret }}
{{- end }}
{{- end -}}

{{/* A hash over the Secrets that a part reads at its start and this chart does not make, as the cluster has them: a pod is replaced by
     the next upgrade after one changed. Without a cluster (`helm template`) it is the hash of nothing. */}}
{{- define "runestone.secretsChecksum" -}}
{{- $root := .root -}}
{{- $made := include "runestone.fullname" .root -}}
{{- $held := list -}}
{{- $names := (include "runestone.secretEnvFrom" . | fromYaml).names | default list -}}
{{- range (include "runestone.secretEnv" . | fromYaml).env -}}
{{- $names = append $names .secret -}}
{{- end -}}
{{- range $names | uniq -}}
{{- if not (hasPrefix $made .) -}}
{{- $held = append $held (lookup "v1" "Secret" $root.Release.Namespace . | default dict).data -}}
{{- end -}}
{{- end -}}
{{- toJson $held | sha256sum -}}
{{- end -}}
