"""moto's double of Amazon SQS and EventBridge, whose queues do one thing at a time.

    double.py PORT

moto answers each request in a thread of its own, and rewrites a queue's list of messages without a lock: of two deletions
at once one undoes the other, and what was deleted comes again; a message that is sent meanwhile is gone. The service deletes
ten in a request and several requests side by side, as SQS allows, so a busy machine meets this. The real queue has no such gap.
"""

import functools
import sys

from moto import server
from moto.sqs.models import Queue, SQSBackend


def one_at_a_time(owner, name, queue_of):
    """Lets a method run only while its queue's lock is held. The lock is re-entrant, and a long poll gives it up while it waits."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def locked(self, *arguments, **named):
        with queue_of(self, *arguments, **named)._messages_lock:
            return original(self, *arguments, **named)

    setattr(owner, name, locked)


def take_turns():
    def by_name(backend, queue_name, *_, **__):
        return backend.get_queue(queue_name)

    one_at_a_time(Queue, "delete_message", lambda queue, *_, **__: queue)
    for name in ["receive_message", "change_message_visibility", "purge_queue"]:
        one_at_a_time(SQSBackend, name, by_name)


if __name__ == "__main__":
    take_turns()
    server.main(["-H", "127.0.0.1", "-p", sys.argv[1]])
