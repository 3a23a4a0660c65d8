// Just so much of NATS' protocol as a test needs: a stream, and messages into it.
//
// Usage: node nats.mjs PORT: makes the stream of the source, and says so.

import assert from "node:assert/strict";
import net from "node:net";
import { pathToFileURL } from "node:url";

const SUBJECT = "closures.v1.close";

/** Asks the server for what answers to a subject, such as JetStream's interface or a stream. */
function request(port, subject, body) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return new Promise((done, failed) => {
    const socket = net.connect(port, "127.0.0.1");
    let heard = "";
    socket.on("error", failed);
    socket.setTimeout(30_000, () => socket.destroy(new Error("NATS does not answer")));
    socket.on("data", bytes => {
      heard += bytes;
      const answer = /MSG \S+ 1 .*\r\n(.*)\r\n/.exec(heard);
      if (!answer) return;
      socket.destroy();
      done(JSON.parse(answer[1]));
    });
    socket.write(`CONNECT {"verbose":false}\r\nSUB _INBOX.here 1\r\nPUB ${subject} _INBOX.here ${Buffer.byteLength(text)}\r\n${text}\r\n`);
  });
}

/** Puts a command into the stream; it is kept there once this is done. */
export async function publish(port, command) {
  const kept = await request(port, SUBJECT, command);
  assert.ok(kept.seq, JSON.stringify(kept));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const stream = { name: "CLOSURES", subjects: [SUBJECT], retention: "workqueue", storage: "file" };
  const made = await request(Number(process.argv[2]), "$JS.API.STREAM.CREATE.CLOSURES", stream);
  assert.equal(made.error, undefined, JSON.stringify(made));
  console.log("the stream is there");
}
