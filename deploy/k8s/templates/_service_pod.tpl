{{/* The pod of one of our services. Takes (dict "root" $ "part" "edge"). */}}

{{- define "runestone.servicePod" -}}
{{- $values := get .root.Values .part -}}
metadata:
  {{- include "runestone.podMetadata" . | nindent 2 }}
  annotations:
    {{- if eq .root.Values.configChange "restart" }}
    checksum/config: {{ include "runestone.config" .root | sha256sum }}
    {{- end }}
    checksum/secrets: {{ include "runestone.secretsChecksum" . }}
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
    - {{- include "runestone.serviceContainer" . | nindent 6 }}
  volumes:
    {{- include "runestone.serviceVolumes" . | nindent 4 }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "runestone.serviceContainer" -}}
{{- $values := get .root.Values .part -}}
{{- $service := get (include "runestone.services" .root | fromYaml) .part -}}
name: {{ .part }}
image: {{ include "runestone.image" (dict "root" .root "image" $values.image "repository" $service.image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: ["--log-level", {{ .root.Values.logLevel | quote }}]
securityContext:
  {{- include "runestone.containerSecurity" . | nindent 2 }}
{{- include "runestone.serviceEnv" . | nindent 0 }}
ports:
  {{- range $name, $port := $service.ports }}
  - name: {{ $name }}
    containerPort: {{ $port }}
    protocol: TCP
  {{- end }}
{{- include "runestone.serviceProbes" . | nindent 0 }}
{{ include "runestone.preStop" .root }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/runestone
    readOnly: true
  - name: data
    mountPath: /var/lib/runestone
  - name: tmp
    mountPath: /tmp
  {{- if and (eq .part "edge") .root.Values.tenants.keysSecret }}
  - name: tenant-keys
    mountPath: /etc/runestone-keys
    readOnly: true
  {{- end }}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "runestone.serviceEnv" -}}
{{- $values := get .root.Values .part -}}
env:
  - name: RUNESTONE_CONFIG
    value: /etc/runestone/runestone.yaml
  - name: RUNESTONE_DATA_DIR
    value: /var/lib/runestone
  {{- range (include "runestone.secretEnv" . | fromYaml).env }}
  - name: {{ .name }}
    valueFrom:
      secretKeyRef:
        name: {{ .secret }}
        key: {{ .key }}
  {{- end }}
  {{- with $values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with (include "runestone.secretEnvFrom" . | fromYaml).names }}
envFrom:
  {{- range . }}
  - secretRef:
      name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The edge says how it is over HTTP, on operators' port; the others by gRPC health in the clear, since a kubelet has no certificate.
     Alive is not ready (`service: liveness`): who waits for its store must not be restarted for that. */}}
{{- define "runestone.serviceProbes" -}}
startupProbe:
  {{- include "runestone.probe" (dict "part" .part "path" "/health/readiness") | nindent 2 }}
  periodSeconds: 2
  failureThreshold: 60
  timeoutSeconds: 3
readinessProbe:
  {{- include "runestone.probe" (dict "part" .part "path" "/health/readiness") | nindent 2 }}
  periodSeconds: 5
  failureThreshold: 2
  timeoutSeconds: 3
livenessProbe:
  {{- include "runestone.probe" (dict "part" .part "path" "/health/liveness" "service" "liveness") | nindent 2 }}
  periodSeconds: 10
  failureThreshold: 6
  timeoutSeconds: 5
{{- end -}}

{{- define "runestone.probe" -}}
{{- if eq .part "edge" -}}
httpGet:
  path: {{ .path }}
  port: admin
{{- else -}}
grpc:
  port: 50060
  {{- with .service }}
  service: {{ . }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "runestone.serviceVolumes" -}}
- name: config
  {{- include "runestone.configVolume" . | nindent 2 }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if and (eq .part "edge") .root.Values.tenants.keysSecret }}
- name: tenant-keys
  secret:
    secretName: {{ .root.Values.tenants.keysSecret }}
    defaultMode: 0440
{{- end }}
{{- include "runestone.dataVolume" . }}
{{- end -}}

{{/* runestone.yaml and the certificate of the mesh, as one volume that is replaced at once when either changes. */}}
{{- define "runestone.configVolume" -}}
projected:
  defaultMode: 0440
  sources:
    - configMap:
        name: {{ include "runestone.name" (dict "root" .root "part" "config") }}
    {{- if ne .root.Values.mesh.tls.mode "off" }}
    - secret:
        name: {{ include "runestone.tlsSecret" . }}
        items:
          {{- range list "tls.crt" "tls.key" "ca.crt" }}
          - {key: {{ . }}, path: tls/{{ . }}}
          {{- end }}
    {{- end }}
{{- end -}}

{{/* The data directory: the edge's spool, audit-svc's SQLite, nothing that must last for the others. */}}
{{- define "runestone.dataVolume" -}}
{{- $spool := .root.Values.edge.spool -}}
{{- if and (eq .part "edge") (eq $spool.kind "ephemeral") }}
- name: data
  ephemeral:
    volumeClaimTemplate:
      {{- include "runestone.claim" $spool | nindent 6 }}
{{- else if eq .part "edge" }}
{{- if eq $spool.kind "emptyDir" }}
- name: data
  emptyDir:
    sizeLimit: {{ $spool.size }}
{{- end }}
{{- else if and (eq .part "audit") (include "runestone.isSqlite" .root) .root.Values.audit.persistence.enabled }}
- name: data
  persistentVolumeClaim:
    claimName: {{ default (include "runestone.name" .) .root.Values.audit.persistence.existingClaim }}
{{- else }}
- name: data
  emptyDir:
    sizeLimit: 256Mi
{{- end }}
{{- end -}}

{{/* A claim's spec, of (dict "size" "1Gi" "storageClassName" ""). */}}
{{- define "runestone.claim" -}}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ .size }}
{{- end -}}

{{- define "runestone.isSqlite" -}}
{{- if hasPrefix "sqlite" (include "runestone.config" . | fromYaml).audit.store -}}true{{- end -}}
{{- end -}}
