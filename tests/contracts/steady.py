"""Makes what was recorded readable and the same each time: ids, times, durations and addresses."""

import datetime
import hashlib
import re
import uuid

BEGIN = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.timezone.utc)
KNOWN = "2f7bf00a-0fc2-4d6a-9b56-92238191433e"  # The conversation that documents and refusals name; it stays.
LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
ID = re.compile(r"(?<![a-z])([a-z]{2})_([0-7][0-9a-hjkmnp-tv-z]{25})(?![0-9a-z])")
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
# What has passed between two times, in seconds: up to the first, it is told as the second.
PASSED = [(0, 0), (0.4, 0.04), (1.5, 1), (5, 3), (20, 10), (60, 30), (600, 300), (5_400, 3_600)]
# Members that differ from run to run, and what they are told as.
MEMBERS = {"tookMs": 12, "storeTookMs": 1, "lagMs": 6, "eventsPerMinute": 2.5, "inHand": 0}
SENTENCES = [
    (re.compile(r"\(([1-5]\d\d)(?:, \d+ ms)?\)"), r"(\1, 12 ms)"),
    (re.compile(r"\(in \d+ (?:ms|s)\)"), "(in 30 s)"),
    (re.compile(r"\(\d+ (?:ms|s) ago\)"), "(3 s ago)"),
]
# Lists and texts are cut to so many items and lines.
ITEMS, LINES = 2, 14


class Steady:
    """What was what, over all that is recorded; `words` are told otherwise in every text."""

    def __init__(self, words):
        self.words, self.ids = words, {}

    def file(self, node):
        """What one file holds: its times begin at the same moment."""
        times = sorted({read(text) for text in texts(node) for text in TIME.findall(text)})
        told, now = {}, BEGIN
        for earlier, time in zip([None, *times], times, strict=False):
            now += passed(time - earlier) if earlier else datetime.timedelta()
            told[time] = now
        return self._node(node, told)

    def _node(self, node, times):
        if isinstance(node, dict):
            return {
                self._text(name, times): self._member(name, value, times) for name, value in node.items()
            }
        if isinstance(node, list):
            return [self._node(item, times) for item in node[:ITEMS]]
        return self._text(node, times) if isinstance(node, str) else node

    def _member(self, name, value, times):
        if name in MEMBERS and value is not None:
            return MEMBERS[name]
        if name == "nextCursor" and value and not ID.fullmatch(value):
            return "AW6CRjeoErXQvQAAAaIm07GN"
        if name == "confirmToken" and value:
            return self._drawn(name, value)[1][: len(value)]
        return self._node(value, times)

    def _text(self, text, times):
        for word, other in self.words.items():
            text = text.replace(word, other)
        text = UUID.sub(lambda found: str(self._uuid(found[0])), text)
        text = ID.sub(lambda found: self._ordered(found[1], found[2]), text)
        text = TIME.sub(lambda found: written(times[read(found[0])]), text)
        for pattern, other in SENTENCES:
            text = pattern.sub(other, text)
        lines = text.splitlines(keepends=True)
        return text if len(lines) <= LINES else "".join(lines[:LINES]) + "…\n"

    def _drawn(self, kind, what):
        """The number of an id among those of its kind, and a text that is drawn from both."""
        known = self.ids.setdefault(kind, {})
        number = known.setdefault(what, len(known) + 1)
        return number, hashlib.sha256(f"{kind} {number}".encode()).hexdigest()

    def _uuid(self, what):
        return KNOWN if what == KNOWN else uuid.UUID(self._drawn("uuid", what)[1][:32], version=4)

    def _ordered(self, kind, what):
        """An id of ours: a UUID of version 7 in 26 letters."""
        place, text = self._drawn(kind, what)
        drawn, time = int(text[:32], 16), int(BEGIN.timestamp() * 1_000) + 1_000 * place
        number = time << 80 | 7 << 76 | (drawn >> 64 & 0xFFF) << 64 | 2 << 62 | drawn & (1 << 62) - 1
        return f"{kind}_" + "".join(LETTERS[number >> 5 * letter & 31] for letter in reversed(range(26)))


def passed(difference):
    """A length of time as one that is told."""
    seconds = difference.total_seconds()
    for most, told in PASSED:
        if seconds <= most:
            return datetime.timedelta(seconds=told)
    return datetime.timedelta(hours=round(seconds / 3_600))


def read(text):
    return datetime.datetime.fromisoformat(text)


def written(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1_000:03}Z"


def texts(node):
    """Every text of a document."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node[:ITEMS]:
            yield from texts(value)
