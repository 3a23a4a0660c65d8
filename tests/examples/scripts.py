"""Runs the script in Python and the one with curl as people do, and looks at what the guest sees.

Usage: scripts.py, with CLOSEOUT_SERVER, CLOSEOUT_TOKEN and CLOSEOUT_SIM as `closeout dev` prints them.
"""

import sys
from pathlib import Path

from world import StandIn, closures_of, every_check, guest_state, new_guest, problem, run, wait_until_found

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PYTHON = (sys.executable, EXAMPLES / "python" / "close_session.py")
CURL = ("sh", EXAMPLES / "curl" / "close.sh")
UNKNOWN = "2f7bf00a-0fc2-4d6a-9b56-92238191433e"


def python_closes():
    """Python: a session is closed, and closing it again changes nothing."""
    closes(PYTHON)


def python_explains():
    """Python: every refusal is explained with its fix, by an exit code of its own."""
    explains(PYTHON, agent=8, unknown=3, malformed=2, key=4, unreachable=10)


def python_repeats():
    """Python: only what can succeed later is asked again, with the same key."""
    repeats_what_can_succeed_later(PYTHON, refused=5)


def python_closes_several():
    """Python: of several sessions each is closed, and a failure among them is told."""
    guests = [new_guest()["conversationId"] for _ in range(3)]
    code, said = run(*PYTHON, *guests[:2])
    assert code == 0, (code, said)
    code, said = run(*PYTHON, guests[2], UNKNOWN)
    assert code == 9 and [guest_state(guest) for guest in guests] == ["disconnected"] * 3, (code, said)


def python_by_external_id():
    """Python: a session is found by the guest's external id, and all of its legs are closed."""
    finds(PYTHON, "python-1")


def python_never_guesses():
    """Python: of two with one external id none is closed, unless --all says so."""
    guests = finds_two(PYTHON, "python-2")
    code, said = run(*PYTHON, "--external-id", "python-2", "--all")
    assert code == 0 and [guest_state(guest) for guest in guests] == ["disconnected"] * 2, (code, said)


def curl_closes():
    """curl: a session is closed, and closing it again changes nothing."""
    closes(CURL)


def curl_explains():
    """curl: every refusal is explained with its fix."""
    explains(CURL, agent=8, unknown=8, malformed=2, key=2, unreachable=10)


def curl_repeats():
    """curl: only what can succeed later is asked again, with the same key."""
    repeats_what_can_succeed_later(CURL, refused=2)


def curl_without_proof():
    """curl: what is still without proof is no success."""
    guest = new_guest(presets=["200-but-open"])["conversationId"]
    code, said = run(*CURL, guest, "1")
    assert code in (6, 7) and guest in said, (code, said)
    assert closures_of(guest)[0]["state"] not in ("closed", "already_closed")


def curl_by_external_id():
    """curl: a session is found by the guest's external id."""
    finds(CURL, "curl-1")


def curl_never_guesses():
    """curl: of two with one external id none is closed."""
    finds_two(CURL, "curl-2")


def closes(script):
    guest = new_guest()["conversationId"]
    code, said = run(*script, guest)
    assert code == 0 and " closed" in said, (code, said)
    assert guest_state(guest) == "disconnected"
    code, said = run(*script, guest)
    assert code == 0 and "already_closed" in said, (code, said)


def explains(script, agent, unknown, malformed, key, unreachable):
    talking = new_guest(agent="connected")["conversationId"]
    for argument, environment, wanted, words in [
        (talking, {}, agent, "once the agent has left"),
        (UNKNOWN, {}, unknown, "Check the conversation's id"),
        ("2f7bf00a", {}, malformed, "fix: Correct the field"),
        (talking, {"CLOSEOUT_TOKEN": "ck_wrong"}, key, "fix: Send `Authorization: Bearer"),
        (talking, {"CLOSEOUT_SERVER": "http://127.0.0.1:9"}, unreachable, "harmless"),
    ]:
        code, said = run(*script, argument, **environment)
        assert code == wanted and words in said, (argument, environment, code, said)
    assert guest_state(talking) == "connected"


def repeats_what_can_succeed_later(script, refused):
    guest = new_guest()["conversationId"]
    with StandIn([problem(503, "store_unavailable", True)] * 2) as stand_in:
        code, said = run(*script, guest, CLOSEOUT_SERVER=stand_in.address)
        assert (code, len(stand_in.keys), len(set(stand_in.keys))) == (0, 3, 1), (code, said, stand_in.keys)
    answer = problem(409, "contradicting_options", False, genesys={"status": 409, "code": "conflict"})
    with StandIn([answer]) as stand_in:
        code, said = run(*script, guest, CLOSEOUT_SERVER=stand_in.address)
        assert code == refused and len(stand_in.keys) == 1, (code, said, stand_in.keys)
        assert "contradicting_options: It is so." in said and "fix: Do this." in said, said


def finds(script, external_id):
    new_guest(externalId=f"{external_id}-of-somebody-else")
    guest = new_guest(externalId=external_id, guestLegs=3)["conversationId"]
    code, said = run(*script, "--external-id", external_id)
    assert code == 0 and guest_state(guest) == "disconnected", (code, said)


def finds_two(script, external_id):
    guests = [new_guest(externalId=external_id)["conversationId"] for _ in range(2)]
    # A lookup that finds only one of them would be right to close it.
    wait_until_found(external_id, 2)
    code, said = run(*script, "--external-id", external_id)
    assert code == 2 and all(guest in said for guest in guests), (code, said)
    assert [guest_state(guest) for guest in guests] == ["connected"] * 2
    return guests


every_check([
    python_closes,
    python_explains,
    python_repeats,
    python_closes_several,
    python_by_external_id,
    python_never_guesses,
    curl_closes,
    curl_explains,
    curl_repeats,
    curl_without_proof,
    curl_by_external_id,
    curl_never_guesses,
])
