"""The program under the system calls that the unit leaves it, as systemd would set them."""

import ctypes
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from machine import setting
from world import Wrong, demand, run

NUMBERS = pathlib.Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
# seccomp(2), prctl(2), audit.h
SET_NO_NEW_PRIVS, SET_SECCOMP, MODE_FILTER, SET_MDWE, REFUSE_EXEC_GAIN = 38, 22, 2, 65, 1
ALLOW, ERRNO_EPERM, KILL, ARCH_X86_64 = 0x7FFF0000, 0x00050001, 0x80000000, 0xC000003E


def members(name, seen=None):
    """The system calls of a group of systemd, with those of the groups in it."""
    seen = set() if seen is None else seen
    if not name.startswith("@"):
        return {name}
    if name in seen:
        return set()
    seen.add(name)
    lines = [line.strip() for line in run("systemd-analyze", "syscall-filter", "--no-pager", name).splitlines()[1:]]
    return set().union(*(members(line, seen) for line in lines if line and not line.startswith("#")))


def left_by_the_unit():
    """The system calls that the unit's filters leave; systemd always adds its group @default."""
    left = members("@default")
    for value in setting("SystemCallFilter"):
        groups = set().union(*(members(name) for name in value.lstrip("~").split()))
        left = left - groups if value.startswith("~") else left | groups
    return left


def filter_of(names):
    """These system calls in the kernel's own form: anything else is answered with EPERM, as the unit says."""
    demand(setting("SystemCallErrorNumber") == ["EPERM"], "another answer than this check knows")
    table = dict(re.findall(r"#define __NR_(\w+) (\d+)", NUMBERS.read_text()))
    numbers = sorted(int(table[name]) for name in names if name in table)
    instruction = lambda code, yes, no, value: struct.pack("HBBI", code, yes, no, value)
    load, equal, answer = 0x20, 0x15, 0x06
    code = instruction(load, 0, 0, 4) + instruction(equal, 1, 0, ARCH_X86_64) + instruction(answer, 0, 0, KILL) + instruction(load, 0, 0, 0)
    for number in numbers:
        code += instruction(equal, 0, 1, number) + instruction(answer, 0, 0, ALLOW)
    return code + instruction(answer, 0, 0, ERRNO_EPERM)


def confine(code):
    """What a child does with itself before it becomes the program."""
    libc = ctypes.CDLL(None, use_errno=True)
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(kept))

    def inside():
        if libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            os._exit(101)
        # MemoryDenyWriteExecute; kernels before 6.3 know it only as a filter of systemd's own.
        libc.prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)
        if libc.prctl(SET_SECCOMP, MODE_FILTER, program, 0, 0) != 0:
            os._exit(102)
        _ = kept

    return inside


def free_ports(number):
    told = subprocess.check_output([pathlib.Path(__file__).parent.parent / "free_ports", str(number)], text=True)
    return [int(port) for port in told.split()]


def program_lives_with_what_the_unit_leaves(_):
    """systemd: with the system calls that the unit leaves, the program closes sessions, is copied, and stops in order"""
    if platform.machine() != "x86_64" or not NUMBERS.exists():
        print(f"--  not checked on {platform.machine()}: system calls have other numbers there")
        return
    code = filter_of(left_by_the_unit())
    program = os.environ["CLOSEOUT_BIN"]
    refused = subprocess.run(["python3", "-c", "import os; os.sched_setaffinity(0, {0})"], preexec_fn=confine(code), capture_output=True, text=True)
    demand("PermissionError" in refused.stderr, f"the filter does not bite: {refused.stderr}")
    folder = pathlib.Path(tempfile.mkdtemp())
    service, simulator = free_ports(2)
    told = folder / "told"
    with told.open("w") as out:
        child = subprocess.Popen(
            [program, "dev", "--port", str(service), "--sim-port", str(simulator), "--db", str(folder / "closeout.db")],
            stdout=out, stderr=out, cwd=folder, preexec_fn=confine(code),
        )
    try:
        end = time.monotonic() + 30
        while not (said := re.search(r"export (.*)", told.read_text())):
            demand(child.poll() is None and time.monotonic() < end, f"it does not start: {told.read_text()}")
            time.sleep(0.05)
        environment = os.environ | dict(word.split("=", 1) for word in said[1].split())
        run(program, "ready", "--wait", "10s", env=environment)
        conversation = run(program, "sim", "conversation", env=environment).strip()
        closed = json.loads(run(program, "close", conversation, "--wait", "30s", "-o", "json", env=environment))
        closed = closed[0] if isinstance(closed, list) else closed
        demand(closed["state"] == "closed", closed)
        run(program, "store", "backup", "--store", f"sqlite:{folder / 'closeout.db'}", "--to", folder / "copy.db", preexec_fn=confine(code))
        child.send_signal(signal.SIGTERM)
        demand(child.wait(30) == 0, f"it does not stop in order: {told.read_text()}")
        wrong = [line for line in told.read_text().splitlines() if "ERROR" in line or "Operation not permitted" in line]
        demand(not wrong, wrong)
    except subprocess.TimeoutExpired as late:
        raise Wrong(f"it does not stop: {told.read_text()}") from late
    finally:
        child.kill()
        child.wait()
        shutil.rmtree(folder)


CHECKS = [program_lives_with_what_the_unit_leaves]
