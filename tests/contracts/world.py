"""A simulated Genesys, the service and a receiver of callbacks, on free ports of loopback; and what is there before the tests begin."""

import hashlib
import json
import pathlib
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "ck_contracts_administrator_0123456789abcdef"
OPERATOR = "ck_contracts_operator_0123456789abcdef"
SECRET = "a secret of the suite, 32 bytes long"
WORDS = [
    "accepted", "participant_closed", "confirmed", "closed", "already_closed", "blocked", "ghost", "ghost_cleared",
    "failed", "cancelled", "resolved", "guest_returned", "adapter_silent", "adapter_recovered", "batch_found",
    "batch_finished",
]  # fmt: skip
CLIENT_ID, CLIENT_SECRET = "simulator-client", "simulator-secret"
STUCK = {"presets": [{"preset": "200-but-open", "times": 1_000_000, "wrapperToo": True}]}

CONFIGURATION = """
[server]
listen = "127.0.0.1:{port}"
[store]
url = "{store}"
[genesys.main]
region = "{genesys}"
client_id = "{client_id}"
client_secret = "{client_secret}"
requests_per_minute = 0
max_open = {most}
[closing]
confirm_within = "1s"
deadline = "3s"
stale_read_gap = "500ms"
participant_grace = "2s"
[lookup]
look_for = "5s"
[ghosts]
look_again = "30s"
silent_adapter_after = "2s"
[callbacks]
allowed_hosts = ["127.0.0.1:{receiver}"]
secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
public_url = "http://127.0.0.1:{port}"
[[callback]]
name = "everything"
url = "http://127.0.0.1:{receiver}/events"
on = {words}
secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
[[confirm]]
name = "relay"
verify = "hub-sha256-base64"
secrets = ["{secret}"]
[[confirm]]
name = "quiet"
verify = "bearer"
secrets = ["{key}"]
[[source]]
name = "orders"
kind = "nats"
url = "nats://127.0.0.1:{broker}"
stream = "CLOSURES"
subject = "closures.v1.close"
[auth]
tokens_file = "{tokens}"
"""


def free_ports(count):
    """Ports that nobody listens on now."""
    told = subprocess.check_output([pathlib.Path(__file__).parent.parent / "free_ports", str(count)], text=True)
    return [int(port) for port in told.split()]


def token(name, key, role):
    """A key of the organisation, as tokens.toml has it."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f'[[token]]\nname = "{name}"\nsha256 = "{digest}"\nrole = "{role}"\norganisations = ["main"]\n'


class World:
    """All of it, running. Without a broker's port its source finds nobody."""

    def __init__(self, program, folder, store="memory:", broker=None, most=1_000_000):
        port, simulator, receiver, nowhere = free_ports(4)
        self.folder, self.port, self.receives = folder, port, receiver
        self.base, self.genesys = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{simulator}"
        self.received, self.events = threading.Event(), []
        self.receiver = ThreadingHTTPServer(("127.0.0.1", receiver), self._taker())
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()
        tokens = folder / "tokens.toml"
        tokens.write_text(token("contracts", KEY, "admin") + token("ben", OPERATOR, "operate"))
        # The simulator's own client, as `closeout dev` uses it.
        configuration = CONFIGURATION.format(
            port=port, genesys=self.genesys, receiver=receiver, broker=broker or nowhere, secret=SECRET, key=KEY,
            tokens=tokens, words=json.dumps(WORDS), client_id=CLIENT_ID, client_secret=CLIENT_SECRET, store=store, most=most,
        )  # fmt: skip
        (folder / "closeout.toml").write_text(configuration)
        self.started = []
        self._start(
            folder, "simulator", program, "sim", "serve", "--listen", f"127.0.0.1:{simulator}", "--requests-per-minute",
            "0", "--webhook", f"{self.base}/hooks/relay", "--webhook-secret", SECRET,
        )  # fmt: skip
        self._start(folder, "service", program, "serve", "--config", folder / "closeout.toml")
        self.wait(lambda: not self.alive() or self.ask("/readyz")[0] == 200, "the service is not ready", folder / "service.err")
        assert self.alive(), (folder / "service.err").read_text()

    def _start(self, folder, name, *command):
        with open(folder / f"{name}.out", "w") as out, open(folder / f"{name}.err", "w") as err:
            self.started.append(subprocess.Popen([str(part) for part in command], stdout=out, stderr=err))

    def _taker(self):
        world = self

        class Taker(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                world.events.append((headers, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        return Taker

    def stop(self):
        """Ends what was started here, and nothing else."""
        for one in reversed(self.started):
            one.terminate()
        for one in self.started:
            one.wait(timeout=30)
        self.receiver.shutdown()

    def alive(self):
        """Whether both programs still run."""
        return all(one.poll() is None for one in self.started)

    def ask(self, path, body=None, method=None, base=None):
        """Status and body of an answer."""
        data = None if body is None else json.dumps(body).encode()
        status, kind, text = self.send(method or ("GET" if body is None else "POST"), path, data, base=base)
        return status, json.loads(text or b"null") if "json" in kind or status >= 400 else text or None

    def send(self, method, path, data=None, headers=None, base=None):
        """Status, media type and bytes of an answer; nothing where there is none."""
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **(headers or {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        request = urllib.request.Request((base or self.base) + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers.get("Content-Type", ""), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("Content-Type", ""), error.read()
        except OSError:
            return 0, "", b""

    def stream(self, path, many):
        """The first pieces of a stream of events, as many as that, or all where it ends before; then the connection is given up."""
        request = urllib.request.Request(self.base + path, None, {"Authorization": f"Bearer {KEY}"})
        pieces = []
        with urllib.request.urlopen(request, timeout=60) as answer:
            kind = answer.headers["Content-Type"]
            lines = []
            for line in answer:
                lines.append(line.decode())
                if line == b"\n":
                    pieces.append("".join(lines))
                    lines = []
                if len(pieces) == many:
                    break
        return answer.status, kind, pieces

    def wait(self, holds, otherwise, log=None):
        """Waits, with a bound, until something holds."""
        until = time.monotonic() + 40
        while time.monotonic() < until:
            if holds():
                return
            time.sleep(0.1)
        raise AssertionError(otherwise + ("\n" + log.read_text()[-4_000:] if log else ""))

    def told(self, event_type):
        """Whether an event of this type came in."""
        return any(event["type"] == event_type for _, event in list(self.events))

    def guest(self, **like):
        """The conversation of a new guest."""
        status, made = self.ask("/_sim/conversations", like, base=self.genesys)
        assert status == 201, made
        return made["conversationId"]

    def close(self, conversation, wait="10s", **more):
        """Asks for a closure."""
        status, closure = self.ask(f"/v1/closures?wait={wait}", {"conversationId": conversation, **more})
        assert status in (200, 202), closure
        return closure

    def state(self, closure, *states):
        """Waits until a closure stands so."""
        def stands():
            return self.ask(f"/v1/closures/{closure['id']}")[1]["state"] in states

        self.wait(stands, f"{closure['id']} does not become {states}")

    def seed(self):
        """Brings about one of everything that an id can name, and every event that a healthy service tells. Answers with the ids."""
        closed = self.close(self.guest(), labels={"team": "checkout"}, reason="order_completed")
        assert closed["state"] == "closed", closed
        gone = self.guest()
        self.close(gone)
        already = self.close(gone, participantId=None)
        failed = self.close(str(uuid.uuid4()))
        assert failed["state"] == "failed", failed
        later = self.close(self.guest(), wait="0s", notBefore=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3_600)))
        self.ask(f"/v1/closures/{later['id']}/cancel", {"reason": "not wanted any more"})
        ghosts = [self.close(self.guest(chaos=STUCK), wait="0s") for _ in range(6)]
        for ghost in ghosts:
            self.state(ghost, "ghost")
        self.ask(f"/v1/closures/{ghosts[0]['id']}/resolve", {"reason": "seen with the agent"})
        rows = [{"conversationId": self.guest()} for _ in range(3)]
        batches = [self.ask("/v1/batches", [{"conversationId": self.guest()}])[1] for _ in range(2)]
        status, running = self.ask("/v1/batches?mode=execute&reason=end+of+day", rows)
        assert status == 202, running
        self.wait(lambda: self.ask(f"/v1/batches/{running['id']}")[1]["state"] == "finished", "the batch does not end")
        # Ends that are read back although an event should have told them make a hook silent; the next event ends that.
        for _ in range(3):
            self.close(self.guest(chaos={"presets": ["lost-webhook"]}))
        self.wait(lambda: self.told("closeout.adapter.silent.v1"), "the silence is not told")
        event = {"eventId": "e1", "conversationId": gone, "participantId": str(uuid.uuid4()), "state": "disconnected"}
        status, answer = self.ask("/hooks/quiet", event)
        assert status == 204, answer
        self.wait(lambda: self.told("closeout.adapter.recovered.v1"), "the end of the silence is not told")
        deliveries = self.ask("/v1/deliveries?limit=20")[1]["items"]
        listed = self.ask("/v1/closures?limit=100")[1]["items"]
        return {
            "cl_": [one["id"] for one in listed],
            "ghosts": [one["id"] for one in ghosts],
            "bt_": [one["id"] for one in [*batches, running]],
            "dv_": [one["id"] for one in deliveries],
            "conversations": [one["conversationId"] for one in listed],
            "already": already["state"],
        }
