"""The systemd unit, the Debian package, and the alerts."""

import os
import pathlib
import re
import shutil

from world import CONFIG, DEPLOY, ROOT, SECRET, TOKENS, demand, run, takes_configuration

UNIT = DEPLOY / "systemd" / "closeout.service"
# What systemd thinks of the unit, in tenths: 0 is shut off from everything, 100 may do everything, and 20 is still "OK". A service
# that speaks to the network and writes its state cannot come down to 0.
EXPOSED_AT_MOST = 15


def unit_is_shut_off(_):
    """systemd: the unit is shut off from what it does not need"""
    said = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSED_AT_MOST}", "--no-pager", UNIT)
    demand("Overall exposure level" in said, said)


def setting(name):
    return [line.split("=", 1)[1] for line in UNIT.read_text().splitlines() if line.startswith(name + "=")]


def unit_speaks_the_program(_):
    """systemd: the command line of the unit is one of the program, which tells systemd of its life"""
    (command,) = setting("ExecStart")
    run(os.environ["CLOSEOUT_BIN"], *command.split()[1:], "--help")
    demand(setting("Type") == ["notify"] and setting("WatchdogSec") == ["60s"], "no notifications")


def unit_configuration_is_taken(_):
    """systemd: the program takes the configuration that comes with the unit, with secrets as systemd hands them on"""
    (credential,) = setting("LoadCredential")
    name = credential.split(":")[0]
    files = {
        f"/run/credentials/closeout.service/{name}_genesys-client": SECRET,
        f"/run/credentials/closeout.service/{name}_hook": SECRET,
        "/etc/closeout/tokens.toml": TOKENS,
    }
    text = (DEPLOY / "systemd" / "closeout.toml").read_text()
    # Every line of configuration that is commented out is meant to be switched on.
    filled = re.sub(r"(?m)^# (\[\[confirm|[a-z_]+ = )", r"\1", text)
    demand(filled.count("\n[[confirm]]") == 1, "the webhook of the example")
    shown = takes_configuration(filled, {}, files)
    demand("sqlite:/var/lib/closeout/closeout.db" in shown, shown)
    demand(setting("StateDirectory") == ["closeout"], "the store is outside of the state directory")


def package(work):
    return work / "closeout.deb"


def package_is_built(work):
    """Debian: cargo deb builds the package, with all that it needs and nothing that starts"""
    target = run("cargo", "metadata", "--no-deps", "--offline", "--format-version", "1")
    target = pathlib.Path(re.search(r'"target_directory":"([^"]+)"', target)[1])
    # A profile of its own, so that a release build is not touched; the program is the one under test.
    built = target / "deploy-check"
    built.mkdir(exist_ok=True)
    shutil.copy(os.environ["CLOSEOUT_BIN"], built / "closeout")
    run(built / "closeout", "--quiet", "man", built / "man")
    pages = sorted(page.name for page in (built / "man").iterdir())
    package(work).unlink(missing_ok=True)
    try:
        run("cargo-deb", "--package", "closeout", "--no-build", "--profile", "deploy-check", "--strip", "--fast", "--output", package(work))
    finally:
        shutil.rmtree(built)
    listed = run("dpkg-deb", "--contents", package(work))
    files = {line.split()[5][1:]: line.split()[0] for line in listed.splitlines() if not line.endswith("/")}
    for file, mode in {
        "/usr/bin/closeout": "-rwxr-xr-x",
        "/etc/closeout/closeout.toml": "-rw-r-----",
        "/usr/lib/systemd/system/closeout.service": "-rw-r--r--",
        "/usr/lib/sysusers.d/closeout.conf": "-rw-r--r--",
        "/usr/lib/tmpfiles.d/closeout.conf": "-rw-r--r--",
        "/usr/share/doc/closeout/operations.md": "-rw-r--r--",
        "/usr/share/doc/closeout/examples/closeout.toml": "-rw-r--r--",
        "/usr/share/doc/closeout/copyright": "-rw-r--r--",
    }.items():
        demand(files.get(file) == mode, f"{file} is {files.get(file)}, not {mode}")
    shipped = sorted(file.rsplit("/", 1)[1].removesuffix(".gz") for file in files if file.startswith("/usr/share/man/man1/"))
    demand(shipped == pages and "closeout-close.1" in pages, f"manual pages: {shipped}, not {pages}")
    demand(all(mode == "-rw-r--r--" for file, mode in files.items() if "/man1/" in file), "modes of the manual pages")
    control = work / "control"
    shutil.rmtree(control, ignore_errors=True)
    run("dpkg-deb", "--control", package(work), control)
    demand((control / "conffiles").read_text().split() == ["/etc/closeout/closeout.toml"], "conffiles")
    demand(re.search(r"Depends: .*libc6 \(>= .*procps, systemd \(>= 252\)", (control / "control").read_text()), "what it depends on")
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", control / script)
        text = (control / script).read_text()
        demand("#DEBHELPER#" not in text, f"{script} is not filled in")
        started = [line.strip() for line in text.splitlines() if re.search(r"\b(start|restart|enable)\b", line.split("#")[0])]
        allowed = ("deb-systemd-helper enable", "deb-systemd-helper --quiet was-enabled", "try-restart")
        demand(all(any(word in line for word in allowed) for line in started), f"{script} starts something: {started}")
    postinst = (control / "postinst").read_text()
    enabled = postinst.index("deb-systemd-helper enable")
    demand("was-enabled" in postinst[:enabled], "it is enabled although nobody has enabled it before")


def package_makes_its_user(work):
    """Debian: unpacked, the unit holds together, and user and folders are made with the rights they need"""
    root = work / "root"
    shutil.rmtree(root, ignore_errors=True)
    run("dpkg-deb", "--extract", package(work), root)
    # What the unit refers to beside its own files is Debian's.
    for file in ["etc/passwd", "etc/group"]:
        shutil.copy(pathlib.Path("/") / file, root / file)
    (root / "bin").mkdir()
    (root / "bin/kill").write_text("#!/bin/sh\n")
    (root / "bin/kill").chmod(0o755)
    run("systemd-sysusers", f"--root={root}", "closeout.conf")
    demand(re.search(r"(?m)^closeout:[^:]*:\d+:\d+:Closeout:/var/lib/closeout:", (root / "etc/passwd").read_text()), "no user")
    (root / "etc/closeout/tokens.toml").write_text("")
    run("systemd-tmpfiles", f"--root={root}", "--create", "closeout.conf")
    group = int(re.search(r"(?m)^closeout:[^:]*:(\d+):", (root / "etc/group").read_text())[1])
    for file, mode, owner in [("", 0o750, group), ("/closeout.toml", 0o640, group), ("/tokens.toml", 0o640, group), ("/secrets", 0o700, 0)]:
        status = os.stat(f"{root}/etc/closeout{file}")
        demand((status.st_mode & 0o777, status.st_gid) == (mode, owner), f"/etc/closeout{file} is {status.st_mode:o} of {status.st_gid}")
    said = run("systemd-analyze", f"--root={root}", "verify", "--man=no", "--recursive-errors=no", "/usr/lib/systemd/system/closeout.service")
    demand(not said.strip(), said)


def alerts_are_raised(work):
    """Prometheus: the rules can be read, and are raised by what they should be, and by nothing else"""
    shutil.copy(CONFIG / "prometheus" / "alerts.yaml", work / "alerts-under-test.yaml")
    shutil.copy(pathlib.Path(__file__).with_name("alerts.yaml"), work / "alerts-test.yaml")
    every = re.findall(r"(?m)^ *- alert: (\w+)$", (CONFIG / "prometheus" / "alerts.yaml").read_text())
    raised = set(re.findall(r"alertname: (\w+)\n +exp_alerts:", (work / "alerts-test.yaml").read_text()))
    demand(set(every) <= raised, f"no test raises {sorted(set(every) - raised)}")
    asks = (DEPLOY.parent / "docs" / "operations.md").read_text()
    for alert in every:
        demand(f"\n### {alert}\n" in asks, f"docs/operations.md does not say what {alert} asks for")
        demand(f"runbook_url: docs/operations.md#{alert.lower()}\n" in (work / "alerts-under-test.yaml").read_text(), f"{alert} does not lead there")
    run(work / "promtool", "check", "rules", work / "alerts-under-test.yaml")
    run(work / "promtool", "test", "rules", work / "alerts-test.yaml")


def build_can_be_trained(_):
    """Build: what trains the program that is shipped has it close conversations, with faults, and ends well"""
    run(ROOT / "deploy" / "train", os.environ["CLOSEOUT_BIN"], "200")


CHECKS = [build_can_be_trained, alerts_are_raised, unit_is_shut_off, unit_speaks_the_program, unit_configuration_is_taken, package_is_built, package_makes_its_user]
