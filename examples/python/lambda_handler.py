"""An AWS Lambda behind an Amazon EventBridge rule on Genesys Cloud events: asks Closeout to close the session.

The rule chooses the events, such as `v2.detail.events.conversation.{id}.user.end` (an agent has left) or `….wrapup` (and has
given the code). This function hands each of them over and ends; Closeout waits for proof, retries against Genesys and keeps
the order: the guest first, then the conversation. So nothing here sleeps until a webhook comes.

Repeated events are harmless: EventBridge delivers at least once, and the event's id is the idempotency key.

Set the function's `MaximumRetryAttempts` to 0 and give it an on-failure destination. What can succeed later is repeated
here; what is raised has to be put right first, and can then be sent again from there.

Python 3.9 or later; no packages. CLOSEOUT_SERVER and CLOSEOUT_TOKEN say where, and with which key (role `submit`).
"""

import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request

ATTEMPTS = 5
# What is left of the function's time when it gives up, in seconds.
RESERVE = 2.0


class NotAccepted(Exception):
    """Closeout did not take the request. It is raised so that the event is kept."""


def handler(event, context=None):
    body = event["detail"]["eventBody"]
    topic = event["detail-type"]
    if body.get("disconnectType") == "TRANSFER":
        # A leg that ends because the guest is handed on: queue, flow and agent do so in every conversation.
        return log(event, outcome="ignored", why="a transfer is not an end")
    closure = request_closure(event["id"], request_for(topic, body), context)
    return log(event, outcome="accepted", closure=closure["id"], state=closure["state"])


def request_for(topic, body):
    request = {
        "conversationId": body["conversationId"],
        "reason": f"event {topic.rsplit('{id}.', 1)[-1]}",
        "labels": {"source": "eventbridge"},
    }
    # Every event names a participant, but only those of the customer name the guest. Closeout finds the guest itself.
    if ".customer." in topic:
        request["participantId"] = body["participantId"]
    return request


def request_closure(event_id, request, context):
    """Asks until Closeout has stored it. Repeats only what it calls retryable, and what was never answered."""
    for attempt in range(1, ATTEMPTS + 1):
        problem, retry_after = {}, None
        try:
            return post(event_id, request)
        except urllib.error.HTTPError as error:
            with error:
                problem = problem_of(error)
                retry_after = error.headers.get("Retry-After", "")
            if not problem["retryable"]:
                raise NotAccepted(f"{problem['code']}: {problem['detail']} {problem['fix']}") from error
        except (OSError, http.client.HTTPException) as error:
            problem = {"code": "unreachable", "detail": str(error), "fix": "Check CLOSEOUT_SERVER and the network."}
        # Never all at the same moment: whoever was refused together would come together again.
        asked = float(retry_after) if (retry_after or "").isdigit() else 2**attempt / 4
        pause = asked * random.uniform(1, 2)
        if attempt == ATTEMPTS or pause > time_left(context):
            raise NotAccepted(f"{problem['code']}: {problem['detail']} {problem['fix']}")
        time.sleep(pause)
    raise AssertionError("the last attempt answers or raises")


def post(event_id, request):
    url = os.environ["CLOSEOUT_SERVER"].rstrip("/") + "/v1/closures"
    headers = {
        "Authorization": f"Bearer {os.environ['CLOSEOUT_TOKEN']}",
        "Content-Type": "application/json",
        "Idempotency-Key": event_id,
    }
    sent = urllib.request.Request(url, json.dumps(request).encode(), headers, method="POST")
    with urllib.request.urlopen(sent, timeout=5) as answer:
        return json.load(answer)


def problem_of(error):
    """Problem details, or the same made up for an answer of something in between, such as a load balancer."""
    if error.headers.get_content_type() == "application/problem+json":
        return json.load(error)
    retryable = error.code in (429, 502, 503, 504)
    return {"code": f"http_{error.code}", "detail": str(error.reason), "fix": "Look between here and Closeout.", "retryable": retryable}


def time_left(context):
    if context is None:
        return float("inf")
    return context.get_remaining_time_in_millis() / 1000 - RESERVE


def log(event, **facts):
    """One line of JSON for CloudWatch, and the function's answer. Ids only: nothing of what was said."""
    facts = {"event": event["id"], "conversation": event["detail"]["eventBody"]["conversationId"], **facts}
    print(json.dumps(facts))
    return facts
