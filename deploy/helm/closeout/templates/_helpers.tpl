{{- define "closeout.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "closeout.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "closeout.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Not empty where the state is in PostgreSQL, and pods keep none. */ -}}
{{- define "closeout.postgres" -}}
{{- with .Values.store.postgres -}}
{{- if and .url .urlKey -}}
{{- fail "store.postgres.url and store.postgres.urlKey both say where the database is: give one" -}}
{{- end -}}
{{- if or .url .urlKey }}yes{{ end -}}
{{- end -}}
{{- end -}}

{{- define "closeout.selector" -}}
app.kubernetes.io/name: {{ include "closeout.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "closeout.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "closeout.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
