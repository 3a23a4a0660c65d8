/**
 * A shop's service: when an order is done, the guest's chat about it is closed. Once, however often it is told.
 *
 *   POST /orders/{order}/done   {"conversationId": "…", "participantId": "…"}   the participant may be left out
 *
 * The order of calls is Closeout's: end the participant, wait for proof, then end the conversation. This service keeps
 * nothing: the key of a request is made of order and conversation, so two of its processes, or the same one after a crash,
 * come to the same closure.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Closeout, inWords, Refused, Unreachable, type Closure } from "./closeout.js";

interface Answer {
  status: number;
  body: object;
}

const closeout = Closeout.fromEnvironment();
/** A shop's page waits for this answer; what takes longer goes on by itself. */
const waitSeconds = Number(process.env.SHOP_WAIT_SECONDS ?? 10);

const server = createServer((request, response) => {
  void answer(request).then(({ status, body }) => send(response, status, body));
});

server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  const address = server.address();
  console.log(`the shop listens on http://127.0.0.1:${typeof address === "object" && address ? address.port : ""}`);
});
process.once("SIGTERM", () => server.close());

async function answer(request: IncomingMessage): Promise<Answer> {
  const order = /^\/orders\/([\w-]{1,64})\/done$/.exec(request.url ?? "")?.[1];
  if (request.method !== "POST" || !order) return { status: 404, body: { error: "POST /orders/{order}/done" } };
  try {
    const guest = guestOf(await bodyOf(request));
    if (!guest) return { status: 400, body: { error: "the body is {\"conversationId\": \"…\"}" } };
    return told(order, await orderDone(order, guest));
  } catch (error) {
    if (error instanceof Refused) return { status: 502, body: { order, error: error.message, code: error.problem.code } };
    if (error instanceof Unreachable) return { status: 503, body: { order, error: error.message } };
    console.error(error);
    return { status: 500, body: { order, error: "unexpected" } };
  }
}

function orderDone(order: string, guest: { conversationId: string; participantId?: string }): Promise<Closure> {
  return closeout.close(
    {
      ...guest,
      reason: "order_completed",
      labels: { order },
      policy: {
        // An agent who is still talking to the guest may finish.
        agentConnected: "wait",
        // DELETE instead of PATCH for the conversation, as soon as the guest is proven gone. It ends it; nothing is purged.
        wrapperClose: "delete",
      },
    },
    { waitSeconds, idempotencyKey: `order-${order}-${guest.conversationId}` },
  );
}

/** The order is done in any case. What is told is how the guest's session stands. */
function told(order: string, closure: Closure): Answer {
  console.log(`order ${order}: ${inWords(closure)}`);
  const facts = { order, session: closure.state, closure: closure.id };
  switch (closure.state) {
    case "closed":
    case "already_closed":
      return { status: 200, body: { ...facts, proof: closure.confirmedBy } };
    case "resolved":
      return { status: 200, body: facts };
    case "failed":
      return { status: 409, body: { ...facts, reason: closure.reason, fix: closure.problem.fix } };
    case "cancelled":
      return { status: 409, body: facts };
    case "ghost":
    case "blocked":
      // Held, and looked at again by itself. Asking again here is answered with how it stands by then.
      return { status: 202, body: { ...facts, reason: closure.reason, fix: closure.problem.fix } };
    default:
      return { status: 202, body: facts };
  }
}

function guestOf(body: unknown): { conversationId: string; participantId?: string } | undefined {
  if (typeof body !== "object" || body === null || !("conversationId" in body)) return undefined;
  const { conversationId } = body;
  if (typeof conversationId !== "string" || !/^[0-9a-f-]{36}$/i.test(conversationId)) return undefined;
  const participantId = "participantId" in body ? body.participantId : undefined;
  return typeof participantId === "string" ? { conversationId, participantId } : { conversationId };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const piece of request.setEncoding("utf8")) {
    text += piece;
    if (text.length > 10_000) return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}
