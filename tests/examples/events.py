"""Feeds the Lambda with the EventBridge samples, their ids replaced by those of simulated conversations.

Usage: events.py, with CLOSEOUT_SERVER, CLOSEOUT_TOKEN and CLOSEOUT_SIM as `closeout dev` prints them.
"""

import contextlib
import io
import json
import sys
import uuid
from pathlib import Path
from unittest import mock

from world import StandIn, closures_of, ended, every_check, guest_state, new_guest, problem

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "fixtures" / "genesys" / "samples" / "eventbridge"
sys.path.insert(0, str(ROOT / "examples" / "python"))

import lambda_handler  # noqa: E402  the path above leads to it

# What each sample must come to; a new sample has to be added here.
EXPECTED = {
    "customer-end": "closed",
    "user-end-peer": "closed",
    "wrapup": "closed",
    "acw": "closed",
    "user-end-transfer-not-an-ending": None,
    "acd-end-answered": None,
    "flow-end": None,
}


def every_sample():
    """Lambda: of the samples of EventBridge, ends close the session, and transfers do not."""
    assert {path.stem for path in SAMPLES.glob("*.json")} == set(EXPECTED)
    for sample, state in EXPECTED.items():
        event, conversation = an_event(sample)
        answer = handle(event)
        if state is None:
            assert answer["outcome"] == "ignored", answer
            assert closures_of(conversation) == [] and guest_state(conversation) == "connected", sample
        else:
            closure = ended(answer["closure"])
            assert (closure["conversationId"], closure["state"]) == (conversation, state), (sample, closure)
            assert guest_state(conversation) == "disconnected", sample


def repeated():
    """Lambda: the same event twice comes to the same closure, and costs no second call to Genesys."""
    event, conversation = an_event("customer-end")
    first = handle(event)
    calls = ended(first["closure"])["apiCalls"]
    second = handle(event)
    assert first["closure"] == second["closure"], (first, second)
    assert [closure["apiCalls"] for closure in closures_of(conversation)] == [calls]


def the_agent_of_an_event_is_not_the_guest():
    """Lambda: only an event of the customer names the guest; a participant of an agent's is not handed on."""
    for sample, named in {"customer-end": True, "user-end-peer": False}.items():
        event, _ = an_event(sample)
        body = event["detail"]["eventBody"]
        request = lambda_handler.request_for(event["detail-type"], body)
        assert request.get("participantId") == (body["participantId"] if named else None), request


def retries():
    """Lambda: what can succeed later is asked again with the event's id as key; what cannot is raised at once."""
    event, conversation = an_event("wrapup")
    with StandIn([problem(503, "store_unavailable", True)] * 2) as stand_in:
        answer = handle(event, stand_in.address)
        assert stand_in.keys == [event["id"]] * 3 and answer["outcome"] == "accepted", (stand_in.keys, answer)
        assert [closure["id"] for closure in closures_of(conversation)] == [answer["closure"]]
    for answer in [problem(401, "unauthenticated", False), problem(422, "invalid_field", False)]:
        with StandIn([answer]) as stand_in:
            told = not_accepted(event, stand_in.address)
            assert len(stand_in.keys) == 1 and told == f"{answer[1]['code']}: It is so. Do this.", told


def in_time():
    """Lambda: it gives up before its own time is over, so that the event is kept."""
    event, _ = an_event("wrapup")
    status, body, _ = problem(503, "stopping", True)
    with StandIn([(status, body, {"Retry-After": "30"})]) as stand_in:
        told = not_accepted(event, stand_in.address, mock.Mock(get_remaining_time_in_millis=lambda: 10_000))
        assert len(stand_in.keys) == 1 and told.startswith("stopping: "), (stand_in.keys, told)


def an_event(sample):
    """A sample with an id of its own, about a conversation of its own whose agent has just left."""
    made = new_guest(agent="left")
    text = (SAMPLES / f"{sample}.json").read_text(encoding="utf-8")
    event = json.loads(text)
    body = event["detail"]["eventBody"]
    text = text.replace(body["conversationId"], made["conversationId"]).replace(event["id"], str(uuid.uuid4()))
    if sample == "customer-end":
        text = text.replace(body["participantId"], made["participantId"])
    return json.loads(text), made["conversationId"]


def handle(event, server=None, context=None):
    environment = {"CLOSEOUT_SERVER": server} if server else {}
    with mock.patch.dict("os.environ", environment), contextlib.redirect_stdout(io.StringIO()) as said:
        answer = lambda_handler.handler(event, context)
    assert json.loads(said.getvalue()) == answer
    return answer


def not_accepted(event, server, context=None):
    try:
        answer = handle(event, server, context)
    except lambda_handler.NotAccepted as error:
        return str(error)
    raise AssertionError(f"nothing was raised: {answer}")


# One after the other: they change the environment and the output of this process.
every_check([every_sample, repeated, the_agent_of_an_event_is_not_the_guest, retries, in_time], at_once=1)
