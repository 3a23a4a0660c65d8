"""The Helm chart."""

import warnings

import kubernetes_validate
import yaml

from world import DEPLOY, SECRET, TOKENS, Wrong, demand, run, takes_configuration

CHART = DEPLOY / "helm" / "closeout"
# The oldest and the newest Kubernetes that the chart is checked against.
KUBERNETES = ["1.25", "1.37"]


def rendered(values, *more):
    text = run("helm", "template", "release", CHART, "--namespace", "contact-centre", "-f", CHART / "ci" / values, *more)
    return [document for document in yaml.safe_load_all(text) if document]


def every_rendering():
    return {path.name: rendered(path.name) for path in sorted((CHART / "ci").glob("*.yaml"))}


def of_kind(documents, kind):
    found = [document for document in documents if document["kind"] == kind]
    demand(len(found) == 1, f"{len(found)} of {kind}")
    return found[0]


def chart_is_clean(_):
    """Helm: lint finds nothing, for the least values, for every switch, and with a volume of one's own"""
    for path in sorted((CHART / "ci").glob("*.yaml")):
        run("helm", "lint", "--strict", CHART, "-f", path)


def chart_renders_what_kubernetes_knows(_):
    """Helm: what is rendered fits the schemas of Kubernetes, the oldest and the newest"""
    for name, documents in every_rendering().items():
        for document in documents:
            # A ServiceMonitor is of the Prometheus operator; its schema is not Kubernetes' own.
            if document["kind"] == "ServiceMonitor":
                continue
            for version in KUBERNETES:
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        kubernetes_validate.validate(document, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    raise Wrong(f"{name}: {document['kind']} is none of {version}: {error.message} at {error.path}") from error


def chart_refuses_wrong_values(_):
    """Helm: a second replica, a missing Secret, an unknown or malformed value are refused"""
    for setting, word in [
        ("replicaCount=2", "replicaCount"),
        ("secrets.existingSecret=", "secrets.existingSecret"),
        ("persistance.size=1Gi", "persistance"),
        ("persistence.accessModes={ReadWriteMany}", "accessModes"),
        ("serviceMonitor.enabled=true", "tokenSecret"),
        ("genesys.clientId=me", "clientId"),
    ]:
        said = run("helm", "template", "release", CHART, "-f", CHART / "ci" / "least.yaml", "--set", setting, code=1)
        demand(word in said, f"--set {setting} is refused for another reason: {said}")


def chart_has_every_part(_):
    """Helm: the parts are there when they are switched on, and only then"""
    always = {"StatefulSet", "Service", "ConfigMap", "ServiceAccount", "PodDisruptionBudget"}
    least, everything = rendered("least.yaml"), rendered("everything.yaml")
    demand({document["kind"] for document in least} == always, "the least")
    demand({document["kind"] for document in everything} == always | {"ServiceMonitor", "NetworkPolicy"}, "everything")
    none = rendered("least.yaml", "--set", "podDisruptionBudget.enabled=false")
    demand("PodDisruptionBudget" not in {document["kind"] for document in none}, "a budget that is switched off")
    labels = of_kind(least, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    for kind, place in [("Service", ["spec", "selector"]), ("PodDisruptionBudget", ["spec", "selector", "matchLabels"])]:
        selector = of_kind(least, kind)
        for key in place:
            selector = selector[key]
        demand(selector.items() <= labels.items(), f"{kind} selects other pods")
    credentials = of_kind(everything, "ServiceMonitor")["spec"]["endpoints"][0]["authorization"]["credentials"]
    demand(credentials == {"name": "closeout-metrics", "key": "token"}, "the key for /metrics")


def chart_fits_the_restricted_standard(_):
    """Helm: pods fit the restricted Pod Security Standard, on a read-only root"""
    for documents in every_rendering().values():
        pod = of_kind(documents, "StatefulSet")["spec"]["template"]["spec"]
        demand(pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0, "runs as root")
        demand(pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, "seccomp")
        demand(pod["automountServiceAccountToken"] is False, "a token that is not needed")
        for container in pod["containers"]:
            context = container["securityContext"]
            demand(context["allowPrivilegeEscalation"] is False and context["capabilities"] == {"drop": ["ALL"]}, "rights")
            demand(context["readOnlyRootFilesystem"] is True, "a root that can be written")
        demand({"configMap", "secret", "persistentVolumeClaim", "name"} >= {key for volume in pod["volumes"] for key in volume}, "volumes")


def chart_configuration_is_taken(_):
    """Helm: the program takes the configuration and the secrets that the chart gives it"""
    for name, documents in every_rendering().items():
        pod = of_kind(documents, "StatefulSet")["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        environment = {one["name"]: one["value"] for one in container["env"]}
        (mounted,) = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "secrets"]
        keys = {"hook": SECRET, "genesys-client": SECRET, "client": SECRET, "tokens.toml": TOKENS, "keys.toml": TOKENS}
        files = {f"{mounted}/{key}": content for key, content in keys.items()}
        shown = takes_configuration(of_kind(documents, "ConfigMap")["data"]["closeout.toml"], environment, files)
        demand("sqlite:/var/lib/closeout/closeout.db" in shown and "0.0.0.0:8080" in shown, f"{name}: {shown}")
        probes = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
        demand(probes == ["/livez", "/livez", "/readyz"], f"{name}: {probes}")


CHECKS = [
    chart_is_clean,
    chart_renders_what_kubernetes_knows,
    chart_refuses_wrong_values,
    chart_has_every_part,
    chart_fits_the_restricted_standard,
    chart_configuration_is_taken,
]
