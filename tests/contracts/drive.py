"""Holds the running service against its contracts. Arguments: the program, a folder for what is written."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

import documents
import world

HERE = pathlib.Path(__file__).parent
SEED = os.environ.get("CLOSEOUT_CONTRACT_SEED", "20261128")
CASES = int(os.environ.get("CLOSEOUT_CONTRACT_CASES", "2000"))
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
    "allow_header_conformance", "use_after_free", "ensure_resource_availability", "ignored_auth",
    "valid_requests_are_taken",
]  # fmt: skip


def run_cases(there, folder, seeds):
    """Runs so many made-up requests at least, in rounds with seeds of their own. Answers how many there were."""
    (folder / "seeds.json").write_text(json.dumps(seeds))
    environment = {
        **os.environ, "SCHEMATHESIS_HOOKS": "cases", "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1",
        "CONTRACT_SEEDS": str(folder / "seeds.json"), "NO_COLOR": "1",
    }  # fmt: skip
    total, turn = 0, 0
    # For each operation and phase; a few more where many are asked for.
    each = 16 if CASES <= 3_000 else 40
    while total < CASES:
        command = [
            pathlib.Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "schemathesis.toml",
            "run", f"{there.base}/openapi.json",
            "--header", f"Authorization: Bearer {world.KEY}", "--checks", ",".join(CHECKS), "--seed", str(int(SEED) + turn),
            "--max-examples", str(each), "--generation-database", ":memory:", "--continue-on-failure",
            "--request-timeout", "20", "--warnings", "off",
            # A stream of events goes on for as long as the service does; documents.py reads the first of it.
            "--exclude-path-regex", "/events$",
        ]  # fmt: skip
        done = subprocess.run([str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True)
        (folder / f"schemathesis-{turn}.log").write_text(done.stdout + done.stderr)
        counted = re.search(r"Test cases:\s+(\d+) generated", done.stdout)
        if done.returncode or not counted:
            sys.exit(done.stdout[-20_000:] + done.stderr[-4_000:])
        total, turn = total + int(counted[1]), turn + 1
    assert there.alive(), "a program ended"
    return total


def main():
    program, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    there = world.World(program, folder)
    try:
        began = time.monotonic()
        seeds = there.seed()
        print(f"ok  the world is there, after {time.monotonic() - began:.0f} s")
        channels, count = documents.check_asyncapi(there)
        print(f"ok  /asyncapi.json keeps to AsyncAPI 3.0.0: {channels} channels, {count} references")
        print(f"ok  {documents.check_examples(there)} examples of /openapi.json are what the schemas beside them say")
        total = run_cases(there, folder, seeds)
        print(f"ok  {total} requests made up from /openapi.json: every answer as it is described (seed {SEED})")
        print(f"ok  {documents.check_streams(there, seeds)} events of both streams are those that callbacks were told")
        count, types = documents.check_events(there)
        print(f"ok  {count} events of {len(types)} types as /schemas/events.json has them: {', '.join(types)}")
    finally:
        there.stop()


main()
