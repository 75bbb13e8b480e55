{{/* What the cluster has in a Secret, as JSON of its `data`; {} where there is none, and where there is no cluster (`helm template`).
     Takes (dict "root" $ "name" ...). The one place that asks, so that a test can answer. */}}
{{- define "runestone.lookup" -}}
{{- (lookup "v1" "Secret" .root.Release.Namespace .name | default dict).data | default dict | toJson -}}
{{- end -}}
