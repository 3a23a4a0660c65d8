"""Drives the simulator with the official Python SDK and checks the typed answers.

Usage: drive.py http://127.0.0.1:PORT
"""

import json
import sys
import time
import urllib.request
from datetime import datetime, timedelta, timezone

import PureCloudPlatformClientV2 as genesys
from PureCloudPlatformClientV2.rest import ApiException

BASE = sys.argv[1]
CLIENT = ("simulator-client", "simulator-secret")
WRAP_UP_CODE = "6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06"


def main():
    # The SDK finds the login host by replacing `api.` in this address; where there is none, both are the same.
    genesys.configuration.host = BASE
    for check in (
        a_token_tells_whose_it_is,
        a_conversation_reads_as_typed_models,
        a_guest_is_closed_and_then_the_wrapper,
        a_communication_is_closed_and_a_conversation_deleted,
        a_wrap_up_is_listed_given_and_read,
        an_emergency_disconnect_tears_everything_down,
        analytics_find_what_is_open,
        every_class_of_error_is_an_api_exception,
        a_quota_pause_is_ridden_out,
        a_login_is_refused,
    ):
        control("POST", "/_sim/reset")
        check()
        print(f"ok  python  {check.__name__.replace('_', ' ')}")


def a_token_tells_whose_it_is():
    me = genesys.TokensApi(log_in()).get_tokens_me()
    assert isinstance(me, genesys.TokenInfo), me
    assert me.organization.id and me.o_auth_client.id == CLIENT[0], me


def a_conversation_reads_as_typed_models():
    made = make({"agent": "connected", "externalId": "order-1", "attributes": {"orderId": "1"}})
    conversations = genesys.ConversationsApi(log_in())
    talk = conversations.get_conversation(made["conversationId"])
    assert isinstance(talk, genesys.Conversation) and talk.id == made["conversationId"]
    assert isinstance(talk.start_time, datetime) and talk.end_time is None
    assert talk.state is None, "the state of a conversation is never filled on reads"
    assert talk.external_tag == "order-1"
    guest = next(p for p in talk.participants if p.purpose == "customer")
    assert guest.id == made["participantId"] and guest.attributes == {"orderId": "1"}
    assert guest.messages[0].id == made["communicationId"] and guest.messages[0].state == "connected"
    assert {p.purpose for p in talk.participants} == {"customer", "acd", "agent"}

    messages = conversations.get_conversations_message(made["conversationId"])
    assert isinstance(messages, genesys.MessageConversation)
    media = next(p for p in messages.participants if p.purpose == "customer")
    assert isinstance(media, genesys.MessageMediaParticipant) and media.state == "connected"
    assert media.type == "webmessaging"


def a_guest_is_closed_and_then_the_wrapper():
    made = make({})
    conversations = genesys.ConversationsApi(log_in())
    request = genesys.MediaParticipantRequest()
    request.state = "disconnected"
    answer = conversations.patch_conversations_message_participant(
        made["conversationId"], made["participantId"], body=request
    )
    assert answer is None, answer
    guest = wait_until(lambda: guest_of(conversations, made), lambda g: g.messages[0].state == "disconnected")
    assert guest.messages[0].disconnect_type == "client" and isinstance(guest.end_time, datetime)
    assert conversations.get_conversation(made["conversationId"]).end_time is None

    whole = genesys.Conversation()
    whole.state = "disconnected"
    closed = conversations.patch_conversations_message(made["conversationId"], whole)
    assert isinstance(closed, genesys.Conversation) and isinstance(closed.end_time, datetime)
    verdict = control("GET", "/_sim/verdict")
    assert verdict["wrapperClosesBeforeGuestGone"] == 0 and verdict["wrapperClosesBeforeProof"] == 0, verdict


def a_communication_is_closed_and_a_conversation_deleted():
    made = make({})
    conversations = genesys.ConversationsApi(log_in())
    conversations.patch_conversations_message_participant_communication(
        made["conversationId"], made["participantId"], made["communicationId"], {"state": "disconnected"}
    )
    assert guest_of(conversations, made).messages[0].state == "disconnected"
    assert conversations.delete_conversation(made["conversationId"]) is None
    assert conversations.get_conversation(made["conversationId"]).end_time is not None


def a_wrap_up_is_listed_given_and_read():
    made = make({"agent": "wrap-up"})
    client = log_in()
    conversations = genesys.ConversationsApi(client)
    codes = genesys.RoutingApi(client).get_routing_wrapupcodes()
    assert WRAP_UP_CODE in [code.id for code in codes.entities], codes
    talk = conversations.get_conversation(made["conversationId"])
    agent = next(p for p in talk.participants if p.purpose == "agent")
    assert agent.wrapup_required and agent.wrapup_prompt == "mandatory" and agent.end_acw_time is None
    per_agent = conversations.get_conversations_message_participant_wrapupcodes(talk.id, agent.id)
    assert WRAP_UP_CODE in [code.id for code in per_agent]

    conversations.patch_conversations_message(talk.id, {"state": "disconnected"})
    assert conversations.get_conversation(talk.id).end_time is None, "a wrap-up is still owed"
    conversations.post_conversations_message_participant_communication_wrapup(
        talk.id, agent.id, agent.messages[0].id, body={"code": WRAP_UP_CODE, "notes": "closed by backend"}
    )
    given = conversations.get_conversations_message_participant_communication_wrapup(
        talk.id, agent.id, agent.messages[0].id
    )
    assert isinstance(given, genesys.AssignedWrapupCode) and given.code == WRAP_UP_CODE
    assert conversations.get_conversation(talk.id).end_time is not None


def an_emergency_disconnect_tears_everything_down():
    made = make({"agent": "wrap-up"})
    conversations = genesys.ConversationsApi(log_in())
    answer = conversations.post_conversation_disconnect(made["conversationId"])
    assert isinstance(answer, str), answer
    wait_until(lambda: conversations.get_conversation(made["conversationId"]), lambda talk: talk.end_time is not None)


def analytics_find_what_is_open():
    made = make({"attributes": {"orderId": "find-me"}, "externalId": "customer-7"})
    control("POST", "/_sim/clock", {"advance": "PT10S"})
    client = log_in()
    analytics = genesys.AnalyticsApi(client)
    now = datetime.now(timezone.utc)
    query = {
        "interval": f"{(now - timedelta(days=1)).isoformat()}/{(now + timedelta(days=1)).isoformat()}",
        "paging": {"pageSize": 100, "pageNumber": 1},
        "segmentFilters": [
            {"type": "and", "predicates": [
                {"type": "dimension", "dimension": "mediaType", "operator": "matches", "value": "message"},
                {"type": "dimension", "dimension": "purpose", "operator": "matches", "value": "customer"},
                {"type": "dimension", "dimension": "segmentEnd", "operator": "notExists"},
            ]}
        ],
        "conversationFilters": [
            {"type": "and", "predicates": [
                {"type": "dimension", "dimension": "conversationEnd", "operator": "notExists"},
                {"type": "dimension", "dimension": "externalTag", "operator": "matches", "value": "customer-7"},
            ]}
        ],
    }
    found = analytics.post_analytics_conversations_details_query(query)
    assert isinstance(found, genesys.AnalyticsConversationQueryResponse) and found.total_hits == 1
    assert found.conversations[0].external_tag == "customer-7"
    record = next(c for c in found.conversations if c.conversation_id == made["conversationId"])
    session = next(p for p in record.participants if p.purpose == "customer").sessions[0]
    assert session.session_id == made["communicationId"] and session.segments[0].segment_end is None
    one = analytics.get_analytics_conversation_details(made["conversationId"])
    assert one.conversation_id == made["conversationId"] and isinstance(one.conversation_start, datetime)
    search = genesys.ConversationsApi(client).post_conversations_participants_attributes_search(
        {"query": [{
            "type": "DATE_RANGE", "fields": ["startTime"],
            "startValue": (now - timedelta(hours=22)).isoformat(), "endValue": (now + timedelta(hours=2)).isoformat(),
        }]}
    )
    row = next(row for row in search.results if row["conversationId"] == made["conversationId"])
    assert row["participantData"][0]["participantAttributes"] == {"orderId": "find-me"} and search.cursor is None, row


def every_class_of_error_is_an_api_exception():
    made = make({})
    ids = (made["conversationId"], made["participantId"])
    conversations = genesys.ConversationsApi(log_in())
    disconnect = {"state": "disconnected"}

    def patch():
        return conversations.patch_conversations_message_participant(*ids, body=disconnect)

    def communication(state):
        return conversations.patch_conversations_message_participant_communication(
            *ids, made["communicationId"], {"state": state}
        )

    expect(400, "communication.state.required", lambda: communication("connected"))
    nowhere = "00000000-0000-4000-8000-000000000000"
    expect(404, "conversation.error.conversation.not.found", lambda: conversations.get_conversation(nowhere))
    expect(413, "request.entity.too.large",
           lambda: conversations.patch_conversations_message(ids[0], {"state": "x" * 600_000}))

    chaos(["409-storm"], ids[0])
    expect(409, "general.conflict", patch)
    chaos([{"preset": "5xx-storm", "times": 1}], ids[0])
    failed = raises(lambda: conversations.get_conversation(ids[0]))
    assert failed.status in (500, 502, 503, 504) and json.loads(failed.body)["status"] == failed.status
    chaos(["token-expiry"], ids[0])
    expect(401, "credentials.expired", lambda: conversations.get_conversation(ids[0]))
    chaos([], ids[0])

    control("POST", "/_sim/clients", {"id": "reader", "secret": "reads", "permissions": ["conversation:communication:view"]})
    conversations = genesys.ConversationsApi(log_in("reader", "reads"))
    refused = expect(403, "missing.any.permissions", patch)
    assert "conversation:communication:disconnect" in json.loads(refused.body)["message"]
    assert conversations.get_conversation(ids[0]).id == ids[0]


def a_quota_pause_is_ridden_out():
    """The SDK repeats a 429 by itself once `Retry-After` is over."""
    made = make({"chaos": {"presets": ["429-storm"]}})
    conversations = genesys.ConversationsApi(log_in())
    assert conversations.get_conversation(made["conversationId"]).id == made["conversationId"]
    entries = control("GET", f"/_sim/journal?kind=call&conversationId={made['conversationId']}")["entries"]
    assert [entry["status"] for entry in entries] == [429, 429, 200], entries


def a_login_is_refused():
    for client, secret, status in (("nobody", "x", 400), (CLIENT[0], "wrong", 401)):
        refused = raises(lambda: log_in(client, secret))
        assert refused.status == status and json.loads(refused.body)["error"] == "invalid_client"


def log_in(client=CLIENT[0], secret=CLIENT[1]):
    return genesys.api_client.ApiClient().get_client_credentials_token(client, secret)


def guest_of(conversations, made):
    talk = conversations.get_conversation(made["conversationId"])
    return next(p for p in talk.participants if p.id == made["participantId"])


def make(wanted):
    return control("POST", "/_sim/conversations", wanted)


def chaos(presets, conversation):
    control("POST", "/_sim/chaos", {"presets": presets, "conversations": [conversation]})


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def raises(call):
    try:
        call()
    except ApiException as error:
        return error
    raise AssertionError("the call was not refused")


def expect(status, code, call):
    error = raises(call)
    body = json.loads(error.body)
    assert (error.status, body["code"], body["status"]) == (status, code, status), error
    assert body["contextId"] and error.headers["ININ-Correlation-Id"] == body["contextId"], error.headers
    return error


def wait_until(look, holds, within=5.0):
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if holds(seen):
            return seen
        assert time.monotonic() < deadline, f"not within {within} s: {seen}"
        time.sleep(0.02)


if __name__ == "__main__":
    main()
