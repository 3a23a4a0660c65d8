"""The Helm chart."""

import json
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


def workload(documents):
    found = [document for document in documents if document["kind"] in ("StatefulSet", "Deployment")]
    demand(len(found) == 1, f"{len(found)} workloads")
    return found[0]


def chart_is_clean(_):
    """Helm: lint finds nothing, for the least values, for every switch, with a volume of one's own, and on a database"""
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
    """Helm: a second replica on a file, a missing Secret, an unknown or malformed value are refused"""
    for setting, word in [
        ("replicaCount=2", "replicaCount is 2, and the store is a file of SQLite"),
        ("replicaCount=0", "replicaCount"),
        ("store.postgres.url=postgres://closeout:planted@db.example/closeout", "url"),
        ("store.postgres.url=sqlite:closeout.db", "url"),
        ("store.postgres.url=postgres://db.example/closeout,store.postgres.urlKey=database-url", "give one"),
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


def chart_spreads_several_pods_on_a_database(_):
    """Helm: several pods share a database, keep apart, and are replaced and drained one after the other"""
    several = rendered("several.yaml")
    kinds = {document["kind"] for document in several}
    demand(kinds == {"Deployment", "Service", "ConfigMap", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy"}, f"{kinds}")
    spec = of_kind(several, "Deployment")["spec"]
    demand(spec["replicas"] == 3, "replicas")
    demand(spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}, "a pod goes before the next is ready")
    demand(of_kind(several, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1, "the budget")
    pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
    demand({volume["name"] for volume in pod["volumes"]} == {"config", "secrets"}, "a pod keeps state")
    terms = [one["podAffinityTerm"] for one in pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]]
    demand([term["topologyKey"] for term in terms] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"], "what pods keep apart by")
    demand(all(term["labelSelector"]["matchLabels"].items() <= labels.items() for term in terms), "pods keep away from others")
    egress = of_kind(several, "NetworkPolicy")["spec"]["egress"]
    demand([{"port": 5432, "protocol": "TCP"}] in [one["ports"] for one in egress], "the database cannot be reached")
    own = workload(rendered("address-in-secret.yaml"))["spec"]["template"]["spec"]["affinity"]
    demand(list(own) == ["nodeAffinity"], f"the affinity is not the one that was given: {own}")


def chart_fits_the_restricted_standard(_):
    """Helm: pods fit the restricted Pod Security Standard, on a read-only root"""
    for documents in every_rendering().values():
        pod = workload(documents)["spec"]["template"]["spec"]
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
        pod = workload(documents)["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        (mounted,) = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "secrets"]
        keys = {"hook": SECRET, "genesys-client": SECRET, "client": SECRET, "tokens.toml": TOKENS, "keys.toml": TOKENS}
        keys |= {"database-url": "postgres://closeout@other.example/closeout", "database-password": SECRET}
        environment = {one["name"]: one.get("value") or keys[one["valueFrom"]["secretKeyRef"]["key"]] for one in container["env"]}
        files = {f"{mounted}/{key}": content for key, content in keys.items()}
        shown = takes_configuration(of_kind(documents, "ConfigMap")["data"]["closeout.toml"], environment, files)
        store = {"several.yaml": "@db.example/closeout", "address-in-secret.yaml": "@other.example/closeout"}
        demand(store.get(name, "sqlite:/var/lib/closeout/closeout.db") in shown and "0.0.0.0:8080" in shown, f"{name}: {shown}")
        shared = {one["key"]: one["value"] for one in json.loads(shown)}["store.replicas"]
        demand(shared is (name in store), f"{name}: store.replicas is {shared}")
        probes = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
        demand(probes == ["/livez", "/livez", "/readyz"], f"{name}: {probes}")


CHECKS = [
    chart_is_clean,
    chart_renders_what_kubernetes_knows,
    chart_refuses_wrong_values,
    chart_has_every_part,
    chart_spreads_several_pods_on_a_database,
    chart_fits_the_restricted_standard,
    chart_configuration_is_taken,
]
