#!/usr/bin/env python3
"""Closes sessions through Closeout: by conversation id, or by the guest's external id. Says what became of each.

    close_session.py 2f7bf00a-0fc2-4d6a-9b56-92238191433e
    close_session.py --external-id customer-4711
    close_session.py --external-id customer-4711 --all     each of several open conversations

Python 3.9 or later; no packages. CLOSEOUT_SERVER and CLOSEOUT_TOKEN say where, and with which key.
Ends with 0 closed or closed already, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 still under way, 7 ghost,
8 failed or cancelled, 9 some of each, 10 out of reach: the same as the command `closeout close --wait`.
"""

import argparse
import http.client
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
import uuid

ATTEMPTS = 4
# One request waits no longer than this: proxies cut silent requests, and a ghost is seen between two of them.
WAIT_AT_ONCE = 5.0


class Refused(Exception):
    """Closeout refused the request, with problem details (RFC 9457)."""

    def __init__(self, problem, retry_after=None):
        super().__init__(problem["detail"])
        self.problem = problem
        self.retry_after = retry_after


class Unreachable(Exception):
    """No answer of Closeout's came."""


def main(arguments=None):
    wanted = command_line(arguments)
    server = os.environ.get("CLOSEOUT_SERVER", "http://127.0.0.1:8080").rstrip("/")
    key = os.environ.get("CLOSEOUT_TOKEN")
    if not key:
        say("CLOSEOUT_TOKEN is not set. Set it to a key of the role `submit` or above.")
        return 2
    closeout = Closeout(server, key)
    if wanted.external_id is not None:
        return by_external_id(closeout, wanted)
    return several(closeout, wanted.ids, wanted)


def command_line(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", metavar="CONVERSATION")
    parser.add_argument("--external-id", metavar="ID", help="close the open conversation that bears this id")
    parser.add_argument("--all", action="store_true", help="with --external-id: close each, where several bear it")
    parser.add_argument("--wait", type=float, default=30, metavar="SECONDS", help="how long to wait for the end; 30")
    parser.add_argument("--reason", default="closed by a script")
    wanted = parser.parse_args(arguments)
    if bool(wanted.ids) == (wanted.external_id is not None):
        parser.error("name conversations, or --external-id")
    if wanted.all and wanted.external_id is None:
        parser.error("--all belongs to --external-id")
    return wanted


def by_external_id(closeout, wanted):
    """Closes what bears the external id. Several are never guessed from: they are listed, or closed with --all."""
    named = f"external id {wanted.external_id}"
    code, candidates = one(closeout, {"target": {"externalId": wanted.external_id}}, named, wanted)
    if not candidates:
        return code
    if wanted.all:
        return several(closeout, [candidate["conversationId"] for candidate in candidates], wanted)
    say("  These bear it. Close one by its id, or all of them with --all:")
    for candidate in candidates:
        say(f"    {candidate['conversationId']}  since {candidate.get('startTime')}  queue {candidate.get('queueId')}")
    return code


def several(closeout, conversations, wanted):
    codes = {one(closeout, {"conversationId": id}, id, wanted)[0] for id in conversations}
    return codes.pop() if len(codes) == 1 else 9


def one(closeout, subject, named, wanted):
    """Closes one session and tells of it. Answers with the exit code, and the candidates where several would fit."""
    try:
        closure = closeout.close({**subject, "reason": wanted.reason}, wanted.wait)
    except Refused as refused:
        return tell_refusal(named, refused.problem), refused.problem.get("candidates") or []
    except Unreachable as unreachable:
        say(f"{named}: {unreachable}")
        say("  fix: check CLOSEOUT_SERVER, and that the service runs. Asking again is harmless.")
        return 10, []
    target = closure.get("target") or {}
    several_fit = closure.get("reason") == "ambiguous_target"
    return tell(named, closure), target.get("candidates") or [] if several_fit else []


def tell(named, closure):
    """Says how a closure stands. Answers with the exit code."""
    state, conversation = closure["state"], closure["conversationId"] or named
    proof = closure.get("confirmedBy")
    print(f"{conversation}  {state}" + (f"  proven by {proof['kind']} at {proof['receivedAt']}" if proof else ""))
    if state in ("closed", "already_closed", "resolved"):
        return 0
    problem = closure.get("problem")
    if problem:
        explain(problem)
    elif state != "cancelled":
        say(f"  Still under way as {closure['id']} ({closure.get('waitingFor') or state}); it goes on by itself.")
    if closure.get("reason") == "not_found":
        return 3
    return {"ghost": 7, "failed": 8, "cancelled": 8}.get(state, 6)


def tell_refusal(named, problem):
    say(f"{named}: refused")
    explain(problem)
    return {401: 4, 403: 4, 404: 3, 409: 5, 429: 10, 502: 10, 503: 10}.get(problem["status"], 2)


def explain(problem):
    """What is wrong, what to do, and what Genesys said, if it did."""
    say(f"  {problem['code']}: {problem['detail']}")
    if problem.get("fix"):
        say(f"  fix: {problem['fix']}")
    genesys = problem.get("genesys")
    if genesys:
        say(f"  Genesys answered {genesys.get('status')} {genesys.get('code')}, correlation {genesys.get('correlationId')}")


def say(line):
    print(line, file=sys.stderr)


class Closeout:
    """As much of a client as a script needs."""

    def __init__(self, server, key):
        self.server = server
        self.key = key

    def close(self, body, wait):
        """Requests a closure and follows it until its end, a ghost, or the end of the wait."""
        until = time.monotonic() + wait
        # The same key for every attempt: Closeout makes one closure of them.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        closure = self.patiently("POST", "/v1/closures", body, headers, until)
        while not (closure.get("outcome") or closure["state"] == "ghost") and time.monotonic() < until:
            closure = self.patiently("GET", closure["links"]["self"], None, {}, until)
        return closure

    def patiently(self, method, path, body, headers, until):
        """Asks again what can succeed later, and nothing else."""
        for attempt in range(1, ATTEMPTS + 1):
            wait = max(0.0, min(WAIT_AT_ONCE, until - time.monotonic()))
            try:
                return self.ask(method, f"{path}?wait={wait:.0f}s", body, headers, wait)
            except (Refused, Unreachable) as error:
                retryable = isinstance(error, Unreachable) or error.problem["retryable"]
                if not retryable or attempt == ATTEMPTS:
                    raise
                asked = getattr(error, "retry_after", None)
                # Never all at the same moment: whoever was refused together would come together again.
                pause = asked if asked is not None else 2**attempt / 4
                time.sleep(min(pause, 30) * random.uniform(1, 2))
        raise AssertionError("the last attempt answers or raises")

    def ask(self, method, path, body, headers, wait):
        headers = {"Authorization": f"Bearer {self.key}", **headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=wait + 10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.headers.get_content_type() != "application/problem+json":
                    raise Unreachable(f"{error.code} from something that is not Closeout") from error
                after = error.headers.get("Retry-After", "")
                raise Refused(json.load(error), float(after) if after.isdigit() else None) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unreachable(f"no answer from {self.server}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
