"""The Dockerfile and the Compose file."""

import json
import os
import pathlib
import re
import shutil
import tempfile

import yaml

from world import DEPLOY, ROOT, SECRET, TOKENS, demand, run, takes_configuration


def dockerfile_is_clean(_):
    """Docker: hadolint finds nothing"""
    run("hadolint", "--failure-threshold", "style", DEPLOY / "Dockerfile")


def instructions(name):
    """The instructions of the Dockerfile with this name, continued lines joined."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    return [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith(name + " ")]


def dockerfile_copies_the_workspace(_):
    """Docker: what is copied is a workspace that Cargo can load, with every file that the program includes"""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = [line[1:] for line in ignored if line.startswith("!")]
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        for copied in instructions("COPY"):
            if copied.startswith("--from"):
                continue
            *sources, to = copied.split()
            for source in sources:
                demand(any(source == one or source.startswith(one + "/") for one in let_through), f"{source} is kept out by .dockerignore")
                place = folder / (source if to == "./" else to)
                place.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place)
                else:
                    shutil.copy(ROOT / source, place)
        prepared = instructions("RUN")[0]
        for made in re.search(r"mkdir -p ([^&]*)", prepared)[1].split():
            (folder / made).mkdir(parents=True, exist_ok=True)
        for made in re.search(r"touch ([^&]*)", prepared)[1].split():
            (folder / made).touch()
        environment = os.environ | {"CARGO_TARGET_DIR": str(folder / "target")}
        run("cargo", "metadata", "--locked", "--format-version", "1", "--no-deps", "--manifest-path", folder / "Cargo.toml", env=environment)
        # Whether the lock file fits the manifests shows without building: the features of one crate are worked out by all of them.
        run("cargo", "tree", "--locked", "--package", "closeout", "--depth", "0", "--manifest-path", folder / "Cargo.toml", env=environment)
        for source in (folder / "crates").rglob("*.rs"):
            for included in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source.read_text()):
                file = (source.parent / included).resolve()
                outside = "/tests" in str(source.relative_to(folder)) or source.name == "tests.rs"
                demand(file.exists() or outside, f"{source.relative_to(folder)} includes {included}, which is not copied")
    finally:
        shutil.rmtree(folder)


def image_runs_without_rights(_):
    """Docker: the image has a user by number, a stop signal, a health check of its own, and the version that is built"""
    demand(instructions("USER") == ["65532:65532"], "the user has to be a number, for runAsNonRoot")
    demand(instructions("STOPSIGNAL") == ["SIGTERM"], "no stop signal")
    check = instructions("HEALTHCHECK")[0]
    command = json.loads(check[check.index("[") :])
    run(os.environ["CLOSEOUT_BIN"], *command[1:], "--server", "http://127.0.0.1:9", code=10)
    run(os.environ["CLOSEOUT_BIN"], *json.loads(instructions("CMD")[0]), "--help")
    image = compose()["x-hardened"]["image"]
    run("grep", "-qx", f'version = "{image.split(":")[1]}"', ROOT / "Cargo.toml")


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def compose_file_is_one(_):
    """Compose: the file fits the Compose specification"""
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def compose_configuration_is_taken(_):
    """Compose: the program takes the configuration and the secrets that the file gives it"""
    service = compose()["services"]["closeout"]
    image = dict(re.findall(r"(\w+)=(\S+)", instructions("ENV")[-1]))
    given = {name: value for name, value in service["environment"].items() if "${" not in value}
    operator = {"GENESYSCLOUD_REGION": "eu-central-1", "GENESYSCLOUD_OAUTHCLIENT_ID": "11111111-2222-4333-8444-555555555555"}
    demand(set(service["environment"]) == set(given) | set(operator), "a variable that this check does not know")
    files = {f"/run/secrets/{name}": SECRET for name in service["secrets"]} | {"/etc/closeout/tokens.toml": TOKENS}
    text = (DEPLOY / "config" / "closeout.toml").read_text()
    shown = takes_configuration(text, image | given | operator, files)
    demand("sqlite:/var/lib/closeout/closeout.db" in shown and "0.0.0.0:8080" in shown, shown)
    demand(service["read_only"] and service["cap_drop"] == ["ALL"], "the container has rights that it does not need")
    mounted = [volume.split(":")[1] for volume in service["volumes"]]
    demand(mounted == ["/var/lib/closeout", "/etc/closeout"], "state and configuration are mounted where the image looks")


CHECKS = [dockerfile_is_clean, dockerfile_copies_the_workspace, image_runs_without_rights, compose_file_is_one, compose_configuration_is_taken]
