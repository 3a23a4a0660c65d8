"""A NATS server with the stream that the source of the world reads: what brings commands that cannot be taken."""

import json
import pathlib
import socket
import subprocess
import time

PROGRAM = pathlib.Path(__file__).parent.parent / "nats" / "program"
SUBJECT = "closures.v1.close"
STREAM = {"name": "CLOSURES", "subjects": [SUBJECT], "retention": "workqueue", "storage": "file", "num_replicas": 1}


class Broker:
    """It, running. It is spoken to in its own protocol, one line and one body at a time."""

    def __init__(self, folder, port):
        program = subprocess.run([PROGRAM], check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
        command = [program, "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", folder / "nats"]
        self.running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while True:
            try:
                self.way = socket.create_connection(("127.0.0.1", port), timeout=20).makefile("rwb")
                break
            except OSError:
                assert time.monotonic() < until, "no NATS server comes up"
                time.sleep(0.1)
        self._say("CONNECT", json.dumps({"verbose": False, "pedantic": False, "name": "contracts", "lang": "python", "version": "1"}))
        self._say("SUB answers 1")
        self._publish("$JS.API.STREAM.CREATE.CLOSURES", STREAM, "answers")
        made = self._answer()
        assert "error" not in made, made

    def command(self, body):
        """A message of the stream."""
        self._publish(SUBJECT, body, "answers")
        assert "stream" in self._answer(), "the stream did not take it"

    def stop(self):
        self.running.terminate()
        self.running.wait(timeout=30)

    def _say(self, *words):
        self.way.write(" ".join(words).encode() + b"\r\n")
        self.way.flush()

    def _publish(self, subject, body, answers):
        text = json.dumps(body)
        self._say("PUB", subject, answers, f"{len(text)}\r\n{text}")

    def _answer(self):
        while line := self.way.readline():
            words = line.decode().split()
            if words[0] == "PING":
                self._say("PONG")
            elif words[0] == "MSG":
                body = self.way.read(int(words[-1]) + 2)
                return json.loads(body)
        raise AssertionError("the NATS server went away")
