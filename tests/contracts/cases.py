"""What schemathesis is told beside the description: ids that lead somewhere, waits that end, and one check of our own.

Half of the valid requests name something that is there (the file in CONTRACT_SEEDS has the ids); the other half, and every
invalid one, are sent as they were made up. Which half is drawn from the request itself, so that a seed repeats a run.
"""

import json
import os
import zlib

import schemathesis
from schemathesis.core.parameters import ParameterLocation

SEEDS = json.load(open(os.environ["CONTRACT_SEEDS"]))
IDS = {
    "/v1/closures/": SEEDS["cl_"],
    "/v1/ghosts/": SEEDS["ghosts"],
    "/v1/batches/": SEEDS["bt_"],
    "/v1/deliveries/": SEEDS["dv_"],
    "/v1/conversations/": SEEDS["conversations"],
    "/v1/sources/": ["orders"],
    "/hooks/": ["quiet", "relay"],
}

# What no schema can say: a valid request may be refused with 422 for these fields.
UNSAYABLE = {
    "organisation": "which organisations there are is not told without a key",
    "cursor": "only what a list was answered with is a cursor, and only for the same list",
    "source": "queues are named by the configuration",
    "hook": "hooks are named by the configuration",
    "result": "the adapters name the results of what came in",
    "conversationId": "it or target is required",
    "target": "it or conversationId is given, and one of its two fields",
    "notBefore": "at most 30 days ahead",
    "until": "of a snooze: ahead, by at most 30 days",
    "callback.url": "an allowed host",
    "callback.on": "at least one of the words",
    "policy.wrapUp": "a text or one of two objects",
    "policy.deadline": "from one second to 72 hours",
    "reason": "needed for some acts, and with mode=execute only; not of blanks alone",
    "mode": "execute goes with a reason, and never with a scan",
    "filter": "it or scan, with at least one field, and matched by something",
    "filter.state": "known states",
    "filter.closureReason": "known reasons",
    "filter.since": "a time, or how long ago",
    "filter.until": "a time, or how long ago",
    "act": "given where closures are",
    "closures": "ids of closures, with an act, and neither with filter nor with scan",
    "scan": "the reach is longer than the age",
}


def valid(case, place):
    """Whether a part of a request was made to be valid."""
    component = case.meta and case.meta.components.get(place)
    return component is not None and component.mode.is_positive


def draw(*what):
    """A number that the request itself decides."""
    return zlib.crc32(repr(what).encode())


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """An object on each line is text already."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def filter_query(context, query):
    """On the wire an empty text, list and object are one: nothing. None of them is invalid where a list may stand."""
    return all(value not in ("", [], {}) for value in (query or {}).values())


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.path_parameters and valid(case, ParameterLocation.PATH):
        number = draw(case.path_parameters)
        for begin, ids in IDS.items():
            if case.path.startswith(begin) and ids and number % 2:
                case.path_parameters = {name: ids[number // 2 % len(ids)] for name in case.path_parameters}
    # A wait that is valid may be five minutes. What it is for needs no more than this.
    if "wait" in (case.query or {}) and valid(case, ParameterLocation.QUERY):
        case.query["wait"] = "20ms"
    headers = {name.lower(): name for name in case.headers or {}}
    if "prefer" in headers and "wait" in str(case.headers[headers["prefer"]]).lower():
        case.headers[headers["prefer"]] = "wait=0"
    # All conversations of made-up commands would be unknown, and most would name neither a conversation nor a target.
    if case.path == "/v1/closures" and isinstance(case.body, dict) and valid(case, ParameterLocation.BODY):
        number = draw(case.body)
        if number % 2 and not case.body.get("target"):
            case.body["conversationId"] = SEEDS["conversations"][number // 2 % len(SEEDS["conversations"])]
        if number % 3 and "organisation" in case.body:
            case.body["organisation"] = "main"


@schemathesis.check
def valid_requests_are_taken(context, response, case):
    """A request that keeps to the description is not refused as malformed, but for what no description can say."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 415, 422):
        return
    problem = response.json()
    # Which events a hook reads, its decoder says.
    if case.path.startswith("/hooks/") and response.status_code == 400:
        return
    if problem["code"] in ("not_available", "ambiguous_target", "idempotency_key_reused", "unreadable_batch"):
        return
    field = problem.get("field", "")
    assert field in UNSAYABLE, f"a valid request is refused with {response.status_code}: {field}: {problem['detail']}"
