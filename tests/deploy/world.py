"""What the checks have in common: running programs, and asking Closeout about a configuration."""

import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CONFIG = ROOT / "config"
# The places at which a deployment keeps its files, with what the program finds there in these checks.
PLACES = ["/etc/closeout", "/run/secrets/closeout", "/run/secrets", "/run/credentials/closeout.service", "/var/lib/closeout"]
SECRET = "a secret of the check, 32 bytes long"
TOKENS = '[[token]]\nname = "check"\nsha256 = "%s"\nrole = "admin"\norganisations = ["main"]\n' % ("0" * 64)


class Wrong(Exception):
    """Something under deploy is not as it should be."""


def run(*command, code=0, **more):
    """The output of a program that has to end with this code."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, **more)
    if done.returncode != code:
        raise Wrong(f"{' '.join(map(str, command))}: {done.returncode}, not {code}\n{done.stdout}")
    return done.stdout


def demand(condition, what):
    if not condition:
        raise Wrong(what)


def takes_configuration(text, environment, files, flags=()):
    """Lets the program check a configuration as it stands in a deployment: `files` are those of secrets and keys, by their
    place there. Answers with what it is, key by key, as the program would run with it."""
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        here = {place: folder / place.strip("/").replace("/", "-") for place in PLACES}
        def moved(value):
            for place, to in here.items():
                value = value.replace(place + "/", f"{to}/")
            return value
        for place in here.values():
            place.mkdir(exist_ok=True)
        for place, content in files.items():
            pathlib.Path(moved(place)).write_text(content)
        path = pathlib.Path(moved("/etc/closeout/closeout.toml"))
        path.write_text(moved(text))
        environment = {name: moved(value) for name, value in environment.items()}
        environment |= {"PATH": os.environ["PATH"], "HOME": str(folder), "CLOSEOUT_CONFIG": str(path)}
        program = os.environ["CLOSEOUT_BIN"]
        run(program, "config", "check", *flags, env=environment)
        shown = run(program, "config", "show", "-o", "json", *flags, env=environment)
        for place, to in here.items():
            shown = shown.replace(f"{to}/", place + "/")
        return shown
    finally:
        shutil.rmtree(folder)
