"""What the drivers of the examples share: the simulator's guests, Closeout's answers, programs that are run, a stand-in."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SERVER = os.environ["CLOSEOUT_SERVER"]
TOKEN = os.environ["CLOSEOUT_TOKEN"]
SIMULATOR = os.environ["CLOSEOUT_SIM"]


def ask(url, body=None):
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
        return json.load(answer)


def new_guest(**like):
    return ask(f"{SIMULATOR}/_sim/conversations", like)


def guest_state(conversation):
    return ask(f"{SIMULATOR}/_sim/guest/{conversation}/state")["guestState"]


def closures_of(conversation):
    return ask(f"{SERVER}/v1/conversations/{conversation}/closures")["items"]


def ended(closure):
    """The closure, once it has ended."""
    return ask(f"{SERVER}/v1/closures/{closure}?wait=30s")


def wait_until_found(external_id, count):
    """Waits, with a bound, until a lookup finds so many: analytics lag behind."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            ask(f"{SERVER}/v1/closures", {"target": {"externalId": external_id}, "dryRun": True})
        except urllib.error.HTTPError as error:
            if len(json.load(error).get("candidates") or []) == count:
                return
        time.sleep(0.2)
    raise TimeoutError(f"{count} conversations with {external_id} are not found")


def run(*command, **environment):
    """Runs a program to its end. Answers with its exit code, and with what it said."""
    done = subprocess.run(
        [str(part) for part in command], env={**os.environ, **environment}, capture_output=True, text=True, timeout=90
    )
    return done.returncode, done.stdout + done.stderr


def every_check(checks, at_once=16):
    """Runs each, several at once, tells of each, and ends with 1 if one failed."""
    with ThreadPoolExecutor(at_once) as pool:
        ends = [(check, pool.submit(check)) for check in checks]
    failed = False
    for check, end in ends:
        name = check.__doc__.strip().rstrip(".")
        error = end.exception()
        print(f"ok  {name}" if error is None else f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
        failed |= error is not None
    sys.exit(1 if failed else 0)


class StandIn:
    """Answers with the given answers in turn, and then as Closeout does. Each is (status, body, more headers)."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.keys = []

    def __enter__(self):
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                data = self.rfile.read(int(self.headers["Content-Length"]))
                stand_in.keys.append(self.headers["Idempotency-Key"])
                if stand_in.answers:
                    self.answer(*stand_in.answers.pop(0))
                else:
                    self.answer(200, ask(SERVER + self.path, json.loads(data)), {})

            def answer(self, status, body, more):
                text = json.dumps(body, separators=(",", ":")).encode()
                kind = "application/json" if status < 400 else "application/problem+json"
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": len(text), **more}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def problem(status, code, retryable, **more):
    body = {"type": f"urn:closeout:problem:{code}", "title": code, "status": status, "detail": "It is so.",
            "code": code, "retryable": retryable, "fix": "Do this.", **more}
    return status, body, {"Retry-After": "0"} if retryable else {}
