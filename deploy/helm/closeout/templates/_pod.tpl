{{- define "closeout.pod" -}}
{{- $name := include "closeout.fullname" . -}}
metadata:
  labels:
    {{- include "closeout.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{- end }}
  annotations:
    # A changed configuration is a new pod. A changed Secret is not: kubectl rollout restart.
    checksum/config: {{ .Values.config | sha256sum }}
    {{- with .Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{- end }}
spec:
  serviceAccountName: {{ $name }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: closeout
      image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, --log, json]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      env:
        - { name: CLOSEOUT_CONFIG, value: /etc/closeout/closeout.toml }
        - { name: CLOSEOUT_SERVER__LISTEN, value: "0.0.0.0:8080" }
        {{- if include "closeout.postgres" . }}
        {{- if .Values.store.postgres.url }}
        - { name: CLOSEOUT_STORE__URL, value: {{ .Values.store.postgres.url | quote }} }
        {{- else }}
        - name: CLOSEOUT_STORE__URL
          valueFrom: { secretKeyRef: { name: {{ .Values.secrets.existingSecret }}, key: {{ .Values.store.postgres.urlKey }} } }
        {{- end }}
        # For a single pod too: while it is replaced, there are two.
        - { name: CLOSEOUT_STORE__REPLICAS, value: "true" }
        {{- with .Values.store.postgres.passwordKey }}
        - { name: CLOSEOUT_STORE__PASSWORD_FILE, value: {{ printf "/run/secrets/closeout/%s" . | quote }} }
        {{- end }}
        {{- else }}
        - { name: CLOSEOUT_STORE__URL, value: "sqlite:/var/lib/closeout/closeout.db" }
        - { name: SQLITE_TMPDIR, value: /var/lib/closeout }
        {{- end }}
        - { name: CLOSEOUT_AUTH__TOKENS_FILE, value: {{ printf "/run/secrets/closeout/%s" .Values.secrets.tokensKey | quote }} }
        {{- with .Values.genesys.region }}
        - { name: GENESYSCLOUD_REGION, value: {{ . | quote }} }
        {{- end }}
        {{- with .Values.genesys.clientId }}
        - { name: GENESYSCLOUD_OAUTHCLIENT_ID, value: {{ . | quote }} }
        {{- end }}
        {{- with .Values.secrets.genesysClientKey }}
        - { name: GENESYSCLOUD_OAUTHCLIENT_SECRET_FILE, value: {{ printf "/run/secrets/closeout/%s" . | quote }} }
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - { name: http, containerPort: 8080 }
      # Alive is a process that answers; ready is one that can commit and is not stopping. Neither asks Genesys.
      startupProbe:
        httpGet: { path: /livez, port: http }
        periodSeconds: 10
        failureThreshold: {{ .Values.startupFailureThreshold }}
      livenessProbe:
        httpGet: { path: /livez, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 5
        timeoutSeconds: 5
      resources: {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        {{- if not (include "closeout.postgres" .) }}
        - { name: state, mountPath: /var/lib/closeout }
        {{- end }}
        - { name: config, mountPath: /etc/closeout, readOnly: true }
        - { name: secrets, mountPath: /run/secrets/closeout, readOnly: true }
  volumes:
    - name: config
      configMap: { name: {{ $name }} }
    - name: secrets
      secret:
        secretName: {{ required "secrets.existingSecret names the Secret with tokens.toml and the OAuth client's secret" .Values.secrets.existingSecret }}
        defaultMode: 0440
    {{- if not (include "closeout.postgres" .) }}
    {{- with .Values.persistence.existingClaim }}
    - name: state
      persistentVolumeClaim: { claimName: {{ . }} }
    {{- end }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- else }}
  {{- if include "closeout.postgres" . }}
  # No two on one node, and not all in one zone, where there is a choice: it is no reason not to run.
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels: {{- include "closeout.selector" . | nindent 16 }}
        - weight: 50
          podAffinityTerm:
            topologyKey: topology.kubernetes.io/zone
            labelSelector:
              matchLabels: {{- include "closeout.selector" . | nindent 16 }}
  {{- end }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
