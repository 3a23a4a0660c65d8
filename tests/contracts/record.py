"""Records the examples of /openapi.json: a request and an answer of every operation, and a problem of every kind that they have.

One file for an operation, named like it, and `problems.json`, which names each problem by its code. What is recorded is made steady
(steady.py), so that another recording differs only where the service does. Arguments: the program, a folder to work in, and the
folder of the examples.
"""

import json
import pathlib
import re
import shutil
import sqlite3
import sys
import time

import broker
import steady
import world

JSON, NDJSON, CSV, HTML, TEXT = "application/json", "application/x-ndjson", "text/csv", "text/html", "text/plain"
NOBODY = "01kjq9ah5rfb9rnvfxksh0q4m2"


class Recording:
    """What was recorded so far, by operation."""

    def __init__(self, there):
        self.there, self.operations, self.problems = there, {}, {}

    def __call__(self, operation, path, body=None, status=200, sent=JSON, taken=None, headers=None, name=None, about=None):
        """Sends one request and keeps it with its answer; both under a name where the operation has several."""
        file = self.operations.setdefault(operation, {})
        data = None
        if body is not None:
            data = (body if isinstance(body, str) else json.dumps(body)).encode()
            note(file.setdefault("request", {}), sent, body, name, about)
        headers = {"Content-Type": sent if data else None, "Accept": taken, **(headers or {})}
        method = operation.split("_")[0].upper()
        got, kind, text = self.there.send(method, path, data, headers)
        assert got == status, (operation, got, text)
        kind = kind.split(";")[0]
        answer = json.loads(text) if kind.endswith("json") else re.sub("<style>.*?</style>", "<style>…</style>", text.decode(), flags=re.S)
        if text:
            note(file.setdefault("answers", {}).setdefault(str(status), {}), kind, answer, name, about)
        return answer

    def refused(self, status, method, path, body=None, name=None, **headers):
        """Sends a request that is refused, and keeps the problem by its code or by another name."""
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        got, kind, text = self.there.send(method, path, data, {key.replace("_", "-"): value for key, value in headers.items()})
        assert (got, kind) == (status, "application/problem+json"), (method, path, got, text)
        problem = json.loads(text)
        self.problems[name or problem["code"]] = problem

    def streamed(self, operation, path, many):
        """Keeps the first pieces of a stream of events."""
        got, kind, pieces = self.there.stream(path, many)
        assert (got, kind) == (200, "text/event-stream"), (operation, got, kind)
        file = self.operations.setdefault(operation, {})
        note(file.setdefault("answers", {}).setdefault("200", {}), kind, "".join(pieces), None, None)
        return pieces

    def write(self, folder):
        """Writes everything, and removes what there was before."""
        there = self.there
        words = {
            f"http://127.0.0.1:{there.receives}": "https://shop.example",
            f"127.0.0.1:{there.receives}": "shop.example",
            f"http://127.0.0.1:{there.port}": "https://closeout.example",
            f"127.0.0.1:{there.port}": "closeout.example",
            there.genesys: "mypurecloud.de",
            f"sqlite:{there.folder}": "sqlite:/var/lib/closeout",
            str(there.folder): "/etc/closeout",
            "contracts": "anna",
        }  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        kept = steady.Steady(words)
        for operation, file in [*self.operations.items(), ("problems", self.problems)]:
            text = json.dumps(kept.file(file), indent=2, ensure_ascii=False)
            strange = re.findall(r"127\.0\.0\.1|localhost|/tmp|" + re.escape(str(there.folder)), text)
            assert not strange, (operation, strange)
            (folder / f"{operation}.json").write_text(text + "\n")


def note(media, kind, value, name, about):
    """Keeps an example of a media type: the only one, or one of several, as OpenAPI has them."""
    media = media.setdefault(kind, {})
    if name is None:
        media.setdefault("example", value)
    else:
        media.setdefault("examples", {}).setdefault(name, {"summary": about, "value": value})


def event_of(piece):
    """The id of the event that a piece of a stream is."""
    return re.search(r"^id: (.+)$", piece, flags=re.M)[1]


def later(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def commands(say):
    """Closures that are requested, followed, and end. Answers with the one that closed, and those that are ghosts."""
    there = say.there
    known = there.guest(conversationId=steady.KNOWN)
    wanted = {
        "conversationId": known, "reason": "order_completed", "labels": {"team": "checkout"},
        "policy": {"agentConnected": "wait", "deadline": "PT2M"},
        "callback": {"url": f"http://127.0.0.1:{there.receives}/hooks/closed", "on": ["closed", "ghost", "failed"]},
    }  # fmt: skip
    closed = say("post_closures", "/v1/closures?wait=10s", wanted, name="closed", about="A conversation is closed.")
    assert closed["state"] == "closed", closed
    plan = {"conversationId": there.guest(), "dryRun": True}
    say("post_closures", "/v1/closures", plan, name="plan", about="Only says what would be done.")
    target = {"target": {"externalId": "customer-4711"}, "reason": "order_completed"}
    say("post_closures", "/v1/closures", target, 202, name="target", about="The conversation is looked up by what another system calls it.")
    stuck = [there.guest(chaos=world.STUCK) for _ in range(8)]
    accepted = {"conversationId": stuck[0], "organisation": "main"}
    ghosts = [say("post_closures", "/v1/closures", accepted, 202, name="accepted", about="The answer does not wait for the end.")]
    ghosts += [there.close(guest, wait="0s") for guest in stuck[1:]]
    say("get_closures_id", f"/v1/closures/{closed['id']}")
    say("get_closures_id_timeline", f"/v1/closures/{closed['id']}/timeline")
    told = say.streamed("get_closures_id_events", f"/v1/closures/{closed['id']}/events", 3)
    say.streamed("get_events", f"/v1/events?lastEventId={event_of(told[0])}&type=closeout.closure.closed.v1", 1)
    for ghost in ghosts:
        there.state(ghost, "ghost")
    ghost = ghosts[0]["id"]
    say("get_closures", "/v1/closures?limit=2&sort=acceptedAt")
    say("get_conversations_conversationId_closures", f"/v1/conversations/{known}/closures")
    say("get_closures_id_explain", f"/v1/closures/{ghost}/explain")
    say("get_closures_id_explain", f"/v1/closures/{ghost}/explain", taken=TEXT)
    return closed["id"], [one["id"] for one in ghosts]


def handling(say, ghosts):
    """What is said about ghosts and done to closures."""
    say("get_ghosts_summary", "/v1/ghosts/summary")
    one = ghosts[0]
    say("post_ghosts_id_claim", f"/v1/ghosts/{one}/claim", {"reason": "I ask the agent", "takeOver": True})
    say("post_ghosts_id_comment", f"/v1/ghosts/{one}/comment", {"comment": "The agent still sees the guest."})
    until = {"until": later(3_600), "reason": "the agent calls back"}
    say("post_ghosts_id_snooze", f"/v1/ghosts/{one}/snooze", until)
    say("get_ghosts", "/v1/ghosts?limit=1&sort=acceptedAt")
    for form in ("json", "csv", "html"):
        say("get_ghosts_report", f"/v1/ghosts/report?limit=1&format={form}")
    for act, ghost, reason in [
        ("verify", ghosts[1], "Genesys says that it is repaired."),
        ("retry", ghosts[2], "Genesys says that it is repaired."),
        ("force", ghosts[3], "The guest cannot write, and the agent has left."),
        ("resolve", ghosts[4], "Seen in Genesys: nobody is in it any more."),
        ("cancel", ghosts[5], "The guest is still being served."),
    ]:
        say(f"post_closures_id_{act}", f"/v1/closures/{ghost}/{act}", {"reason": reason}, 202)


def batches(say):
    """Rows of every form, and what is done to batches."""
    there = say.there
    rows = [
        {"conversationId": there.guest(), "labels": {"team": "checkout"}},
        {"conversationId": there.guest(), "idempotencyKey": "order-8813", "policy": {"agentConnected": "wait"}},
    ]
    one, begin = "post_batches", "/v1/batches"
    preview = say(one, begin, rows, 201, name="rows", about="These conversations.")
    states = {"filter": {"state": ["closed"], "labels": {"team": "checkout"}, "since": "PT8H"}}
    say(one, begin, states, 201, name="filter", about="The conversations of closures that match.")
    acts = {"act": "verify", "filter": {"state": ["ghost"], "closureReason": ["no_confirmation"]}}
    say(one, begin, acts, 201, name="act", about="An act on the closures that match.")
    scan = {"scan": {"olderThan": "PT24H", "within": "PT168H", "messageType": "webmessaging", "limit": 500}}
    say(one, begin, scan, 202, name="scan", about="Stuck sessions are looked for.")
    say(one, begin, "".join(json.dumps(row) + "\n" for row in rows), 201, sent=NDJSON, name="rows", about="These conversations.")
    table = "conversationId,idempotencyKey,label.team,policy.agentConnected\n"
    table += f"{rows[0]['conversationId']},order-8812,checkout,\n{rows[1]['conversationId']},order-8813,,wait\n"
    say(one, begin, table, 201, sent=CSV, name="rows", about="These conversations.")
    ids = "# stuck since noon\n" + "".join(row["conversationId"] + "\n" for row in rows)
    say(one, begin, ids, 201, sent=TEXT, name="rows", about="These conversations.")
    token = {"confirmToken": preview["confirmToken"], "reason": "End of day."}
    many = [{"conversationId": there.guest(chaos=world.STUCK)} for _ in range(40)]
    running = there.ask("/v1/batches?mode=execute&reason=end+of+day", many)[1]["id"]
    for act in ("pause", "resume", "cancel"):
        say(f"post_batches_id_{act}", f"/v1/batches/{running}/{act}", {"reason": "Genesys is being repaired."}, 202)
    say("post_batches_id_execute", f"/v1/batches/{preview['id']}/execute", token, 202)
    there.wait(lambda: there.ask(f"/v1/batches/{preview['id']}")[1]["state"] == "finished", "the batch does not end")
    say("get_batches", "/v1/batches?limit=2")
    say("get_batches_id", f"/v1/batches/{preview['id']}")
    say("get_batches_id_items", f"/v1/batches/{preview['id']}/items")
    return preview["id"]


def queues(say, nats):
    """Sources, and commands of a queue that cannot be taken: one as long as another closure stands in its way."""
    there = say.there
    guest = there.guest()
    opened = there.close(guest, wait="0s", notBefore=later(3_600))["id"]

    def letters():
        return there.ask("/v1/dead-letters")[1]["items"]

    for body in ({"conversationId": "order-8812"}, {"conversationId": guest, "policy": {"evidence": "webhook_only"}}):
        before = len(letters())
        nats.command(body)
        there.wait(lambda: len(letters()) > before, "no dead letter comes")
    held = {one["reason"]: one["id"] for one in letters()}
    first, second = held["invalid_field"], held["contradicting_options"]
    say("get_sources", "/v1/sources")
    for act in ("pause", "resume"):
        say(f"post_sources_name_{act}", f"/v1/sources/orders/{act}", {"reason": "The shop repairs its messages."})
    say("get_dead_letters", "/v1/dead-letters?state=held")
    say("get_dead_letters_id", f"/v1/dead-letters/{first}")
    say.refused(422, "POST", f"/v1/dead-letters/{second}/redrive")
    there.ask(f"/v1/closures/{opened}/cancel", {})
    say("post_dead_letters_id_redrive", f"/v1/dead-letters/{second}/redrive", {"reason": "What stood in its way is over."}, 202)
    say("post_dead_letters_id_discard", f"/v1/dead-letters/{first}/discard", {"reason": "The shop sent it again."}, 202)
    say.refused(409, "POST", f"/v1/dead-letters/{first}/discard", {"reason": "The shop sent it again."})
    say.refused(404, "GET", f"/v1/dead-letters/dl_{NOBODY}")


def service(say, closed):
    """What there is to see of the service, and what it tells others."""
    there = say.there
    event = {"eventId": "evt-8812", "conversationId": steady.KNOWN, "state": "disconnected"}
    say("post_hooks_name", "/hooks/quiet", event, 204)
    say("get_adapters", "/v1/adapters")
    say("get_hooks_received", "/v1/hooks/received?limit=2")
    told = f"/v1/deliveries?result=delivered&closure={closed}"
    delivery = say("get_deliveries", told)["items"][0]["id"]
    say("get_deliveries_id", f"/v1/deliveries/{delivery}")
    say("post_deliveries_id_redeliver", f"/v1/deliveries/{delivery}/redeliver", {"reason": "The shop had lost it."}, 202)
    for act in ("pause", "resume"):
        say(f"post_outgoing_{act}", f"/v1/outgoing/{act}", {"organisation": "main", "reason": "Genesys is being repaired."})
    say("get_audit", "/v1/audit?limit=2&action=closure.force,closure.resolve")
    for path in ("whoami", "config"):
        say(f"get_{path}", f"/v1/{path}")
    say("get_readyz", "/readyz?verbose")
    for path in ("livez", "metrics", "version", "openapi.json", "asyncapi.json", "schemas/events.json", "docs"):
        say("get_" + re.sub(r"\W", "_", path), f"/{path}")
    media = say.operations["get_metrics"]["answers"]["200"][TEXT]
    counted = [line for line in media["example"].splitlines() if "closeout_commands_received_total" in line]
    media["example"] = "\n".join([*counted[:2], *sorted(line for line in counted if 'source="http"' in line)]) + "\n"
    # Of what is long, the beginning of each part says what it is.
    for operation, members in {
        "get_config": ["auth.tokens_file", "closing.deadline", "genesys.main.client_secret", "genesys.main.region", "store.url"],
        "get_openapi_json": ["openapi", "info"], "get_asyncapi_json": ["asyncapi", "info"],
        "get_schemas_events_json": ["$schema", "$comment", "title", "oneOf"],
    }.items():  # fmt: skip
        media = say.operations[operation]["answers"]["200"][JSON]
        media["example"] = {name: media["example"][name] for name in members if name in media["example"]}


def refusals(say, closed, ghosts, batch):
    """Problems of every kind that a request can bring about alone."""
    there = say.there
    one, guest = "/v1/closures", there.guest()
    say.refused(400, "POST", one, "{")
    say.refused(401, "GET", one, Authorization=None)
    say.refused(403, "GET", "/v1/config", Authorization=f"Bearer {world.OPERATOR}")
    for kind, prefix in [("closures", "cl"), ("batches", "bt"), ("deliveries", "dv")]:
        say.refused(404, "GET", f"/v1/{kind}/{prefix}_{NOBODY}")
    say.refused(404, "POST", "/v1/sources/parcels/pause")
    there.close(guest, wait="0s", notBefore=later(3_600))
    say.refused(409, "POST", one, {"conversationId": guest, "policy": {"evidence": "webhook_only"}})
    say.refused(409, "POST", f"{one}/{closed}/cancel", {"reason": "Not wanted any more."})
    say.refused(409, "POST", f"/v1/ghosts/{ghosts[0]}/claim", {}, Authorization=f"Bearer {world.OPERATOR}")
    say.refused(409, "POST", f"/v1/batches/{batch}/pause")
    preview = there.ask("/v1/batches", [{"conversationId": guest}])[1]["id"]
    say.refused(409, "POST", f"/v1/batches/{preview}/execute", {"confirmToken": "of another preview", "reason": "End of day."})
    say.refused(412, "POST", f"{one}/{ghosts[6]}/cancel", {}, If_Match='"1"')
    say.refused(413, "POST", one, {"reason": "x" * 70_000})
    say.refused(415, "POST", one, "{}", Content_Type="text/plain")
    say.refused(422, "POST", one, {"conversationId": "order-8812"})
    say.refused(422, "GET", "/v1/whoami?colour=red", name="unknown_parameter")
    say.refused(422, "POST", f"{one}/{ghosts[6]}/cancel", {"colour": "red"}, name="unknown_field")
    say.refused(422, "POST", "/v1/batches", "conversation\n1\n", Content_Type=CSV)
    hook = "/hooks/quiet"
    for status, method, path, more in [
        (400, "POST", hook, {"body": "{"}),
        (401, "POST", hook, {"body": "{}", "Authorization": "Bearer of another hook"}),
        (404, "POST", "/hooks/loud", {"body": "{}"}),
        (405, "GET", hook, {}),
        (413, "POST", hook, {"body": json.dumps({"note": "x" * 300_000})}),
        (415, "POST", hook, {"body": "{}", "Content_Type": TEXT}),
    ]:
        say.refused(status, method, path, name=f"hook_{status}", **more)


def troubles(say, closed):
    """Problems of a service whose store is in trouble: a record of it, and all of it."""
    there = say.there
    one, guest = "/v1/closures", there.guest()
    with sqlite3.connect(there.folder / "closeout.db", isolation_level=None) as other:
        other.execute("UPDATE closures SET body = x'00' WHERE key = ?", [key_of(closed)])
        say.refused(500, "GET", f"/v1/closures/{closed}")
        other.execute("BEGIN IMMEDIATE")
        say.refused(503, "POST", one, {"conversationId": guest})
        say.refused(503, "POST", "/hooks/quiet", {"conversationId": guest, "state": "disconnected"}, name="hook_503")
        say("get_readyz", "/readyz", status=503)
        other.execute("ROLLBACK")


def key_of(closure):
    """The key of a closure as its store has it."""
    number = 0
    for letter in closure.removeprefix("cl_"):
        number = number << 5 | steady.LETTERS.index(letter)
    return number.to_bytes(16, "big")


def alone(say, program, folder):
    """Problems of another service, which may have one open closure only, and whose Genesys goes away."""
    folder.mkdir()
    there = say.there = world.World(program, folder, most=1)
    try:
        there.close(there.guest(), wait="0s", notBefore=later(3_600))
        guest = there.guest()
        say.refused(429, "POST", "/v1/closures", {"conversationId": guest})
        there.started[0].terminate()
        there.started[0].wait(timeout=30)
        say.refused(502, "POST", "/v1/closures", {"conversationId": guest, "dryRun": True})
    finally:
        there.stop()


def main():
    program, folder, examples = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (port,) = world.free_ports(1)
    nats = broker.Broker(folder, port)
    there = None
    try:
        there = world.World(program, folder, store=f"sqlite:{folder}/closeout.db", broker=port)
        say = Recording(there)
        closed, ghosts = commands(say)
        handling(say, ghosts)
        batch = batches(say)
        queues(say, nats)
        service(say, closed)
        refusals(say, closed, ghosts, batch)
        troubles(say, closed)
        alone(say, program, folder / "alone")
        say.there = there
        say.write(examples)
    finally:
        if there:
            there.stop()
        nats.stop()
    print(f"ok  {len(say.operations)} operations and {len(say.problems)} problems are recorded")


main()
