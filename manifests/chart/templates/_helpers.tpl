{{- /* What every object bears beside the labels that kustomize gives it as well. Takes the root context, or a dict of it
and labels that only this object has. */ -}}
{{- define "talkdesk.labels" -}}
{{- $root := default . .context -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- with merge (dict) (default (dict) .labels) $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The chart's version is not among the labels of pods: they would start anew for nothing. */ -}}
{{- define "talkdesk.podLabels" -}}
app.kubernetes.io/instance: {{ .context.Release.Name | quote }}
{{- with merge (dict) .labels .context.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* [registry/]repository[:tag][@digest]; a digest alone is enough. */ -}}
{{- define "talkdesk.image" -}}
{{- $common := .context.Values.image -}}
{{- with default $common.registry .image.registry }}{{ trimSuffix "/" . }}/{{ end }}
{{- .image.repository }}
{{- $tag := default $common.tag .image.tag -}}
{{- if or $tag (not .image.digest) }}:{{ default .context.Chart.AppVersion $tag }}{{ end }}
{{- with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- /* Settings are environment variables: kubernetesTimeout is TALKDESK_…_KUBERNETES_TIMEOUT. */ -}}
{{- define "talkdesk.settings" -}}
{{- $prefix := .prefix -}}
{{- range $name, $value := .settings }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ $prefix }}{{ $name | snakecase | upper }}
  {{- /* Helm reads whole numbers as floats; 1048576 must not become 1.048576e+06. */}}
  value: {{ if kindIs "slice" $value }}{{ join "," $value | quote }}{{ else if and (kindIs "float64" $value) (eq (floor $value) $value) }}{{ int64 $value | quote }}{{ else }}{{ $value | quote }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Where events come in, and the only path that is exposed. */ -}}
{{- define "talkdesk.eventsPath" -}}
{{ default "" .Values.webhook.settings.pathPrefix }}/events
{{- end }}

{{- /* The Service's port, by name: it says what is spoken there. */ -}}
{{- define "talkdesk.eventsPort" -}}
{{ ternary "https" "http" (ne "" .Values.webhook.tls.secretName) }}
{{- end }}

{{- /* The Service from inside the cluster, with that path. */ -}}
{{- define "talkdesk.eventsUrl" -}}
{{ include "talkdesk.eventsPort" . }}://talkdesk-webhook.{{ .Release.Namespace }}.svc{{ include "talkdesk.eventsPath" . }}
{{- end }}

{{- define "talkdesk.metricsPort" -}}
metrics
{{- end }}
