// Drives the simulator with the official JavaScript SDK and checks what it makes of the answers.
//
// Usage: node drive.js http://127.0.0.1:PORT
"use strict";

const assert = require("node:assert/strict");
const genesys = require("purecloud-platform-client-v2");

const base = new URL(process.argv[2]);
const client = ["simulator-client", "simulator-secret"];
const wrapUpCode = "6e2d4c3b-1a09-4f8e-9d7c-5b4a3f2e1d06";
const disconnected = { state: "disconnected" };

const checks = [
  async function aTokenTellsWhoseItIs() {
    await logIn();
    const me = await new genesys.TokensApi().getTokensMe();
    assert.equal(me.OAuthClient.id, client[0]);
    assert.ok(me.organization.id);
  },

  async function aGuestIsClosedAndThenTheWrapper() {
    const made = await make({ agent: "connected", externalId: "order-2" });
    const conversations = await logIn();
    const talk = await conversations.getConversation(made.conversationId);
    assert.equal(talk.externalTag, "order-2");
    assert.equal(talk.state, undefined);
    assert.equal(guestOf(talk, made).messages[0].id, made.communicationId);
    const messages = await conversations.getConversationsMessage(made.conversationId);
    assert.equal(messages.participants[0].state, "connected");

    await conversations.patchConversationsMessageParticipant(
      made.conversationId, made.participantId, { body: disconnected });
    await waitUntil(async () =>
      guestOf(await conversations.getConversation(made.conversationId), made).messages[0].state === "disconnected");
    const closed = await conversations.patchConversationsMessage(made.conversationId, disconnected);
    assert.ok(closed.endTime);
    assert.equal((await control("GET", "/_sim/verdict")).wrapperClosesBeforeGuestGone, 0);
  },

  async function aCommunicationIsClosedAndAConversationDeleted() {
    const made = await make({});
    const conversations = await logIn();
    await conversations.patchConversationsMessageParticipantCommunication(
      made.conversationId, made.participantId, made.communicationId, disconnected);
    await conversations.deleteConversation(made.conversationId);
    assert.ok((await conversations.getConversation(made.conversationId)).endTime);
  },

  async function aWrapUpIsListedGivenAndRead() {
    const made = await make({ agent: "wrap-up" });
    const conversations = await logIn();
    const codes = await new genesys.RoutingApi().getRoutingWrapupcodes();
    assert.ok(codes.entities.some(code => code.id === wrapUpCode));
    const talk = await conversations.getConversation(made.conversationId);
    const agent = talk.participants.find(participant => participant.purpose === "agent");
    const path = [talk.id, agent.id, agent.messages[0].id];
    await conversations.postConversationsMessageParticipantCommunicationWrapup(...path, { body: { code: wrapUpCode } });
    const given = await conversations.getConversationsMessageParticipantCommunicationWrapup(...path);
    assert.equal(given.code, wrapUpCode);
  },

  async function anEmergencyDisconnectTearsEverythingDown() {
    const made = await make({ agent: "wrap-up" });
    const conversations = await logIn();
    const answer = await conversations.postConversationDisconnect(made.conversationId);
    assert.equal(typeof answer, "string");
    await waitUntil(async () => (await conversations.getConversation(made.conversationId)).endTime);
  },

  async function analyticsFindWhatIsOpen() {
    const made = await make({});
    await control("POST", "/_sim/clock", { advance: "PT10S" });
    await logIn();
    const day = 86_400_000;
    const found = await new genesys.AnalyticsApi().postAnalyticsConversationsDetailsQuery({
      interval: `${new Date(Date.now() - day).toISOString()}/${new Date(Date.now() + day).toISOString()}`,
      paging: { pageSize: 100, pageNumber: 1 },
      conversationFilters: [{ type: "and", predicates: [
        { type: "dimension", dimension: "conversationId", operator: "matches", value: made.conversationId },
        { type: "dimension", dimension: "conversationEnd", operator: "notExists" },
      ] }],
    });
    assert.equal(found.totalHits, 1);
    assert.equal(found.conversations[0].participants[0].sessions[0].sessionId, made.communicationId);
  },

  async function everyClassOfErrorIsRejectedWithItsBody() {
    const made = await make({});
    const ids = [made.conversationId, made.participantId];
    let conversations = await logIn();
    const patch = () => conversations.patchConversationsMessageParticipant(...ids, { body: disconnected });
    await expect(400, "communication.state.required", () =>
      conversations.patchConversationsMessageParticipantCommunication(...ids, made.communicationId, { state: "connected" }));
    await expect(404, "conversation.error.conversation.not.found", () =>
      conversations.getConversation("00000000-0000-4000-8000-000000000000"));
    await expect(413, "request.entity.too.large", () =>
      conversations.patchConversationsMessage(ids[0], { state: "x".repeat(600_000) }));
    await chaos(["409-storm"], ids[0]);
    await expect(409, "general.conflict", patch);
    await chaos([{ preset: "429-storm", times: 1 }], ids[0]);
    const limited = await expect(429, "too.many.requests.retry.after", patch);
    assert.equal(limited.headers["retry-after"], "1");
    await chaos([{ preset: "5xx-storm", times: 1 }], ids[0]);
    const failed = await rejection(() => conversations.getConversation(ids[0]));
    assert.ok([500, 502, 503, 504].includes(failed.status), String(failed.status));
    await chaos(["token-expiry"], ids[0]);
    await expect(401, "credentials.expired", () => conversations.getConversation(ids[0]));
    await chaos([], ids[0]);
    await control("POST", "/_sim/clients",
      { id: "reader", secret: "reads", permissions: ["conversation:communication:view"] });
    conversations = await logIn("reader", "reads");
    const refused = await expect(403, "missing.any.permissions", patch);
    assert.match(refused.body.message, /conversation:communication:disconnect/);
  },

  async function aLoginIsRefused() {
    for (const [id, secret, status] of [["nobody", "x", 400], [client[0], "wrong", 401]]) {
      const refused = await rejection(() => logIn(id, secret));
      assert.equal((refused.response ?? refused).status, status);
    }
  },
];

async function main() {
  const { hostname: host, port } = base;
  genesys.ApiClient.instance.setGateway({ host, protocol: "http", port });
  for (const check of checks) {
    await control("POST", "/_sim/reset");
    await check();
    console.log(`ok  node    ${check.name.replace(/[A-Z]/g, letter => " " + letter.toLowerCase())}`);
  }
}

async function logIn(id = client[0], secret = client[1]) {
  await genesys.ApiClient.instance.loginClientCredentialsGrant(id, secret);
  return new genesys.ConversationsApi();
}

function guestOf(talk, made) {
  return talk.participants.find(participant => participant.id === made.participantId);
}

function make(wanted) {
  return control("POST", "/_sim/conversations", wanted);
}

function chaos(presets, conversation) {
  return control("POST", "/_sim/chaos", { presets, conversations: [conversation] });
}

async function control(method, path, body) {
  const answer = await fetch(new URL(path, base), { method, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  const text = await answer.text();
  return text ? JSON.parse(text) : undefined;
}

async function rejection(call) {
  // Otherwise the SDK rejects with the body alone, and headers cannot be checked.
  genesys.ApiClient.instance.setReturnExtendedResponses(true);
  let answer;
  try {
    answer = await call();
  } catch (error) {
    return error;
  } finally {
    genesys.ApiClient.instance.setReturnExtendedResponses(false);
  }
  assert.fail(`the call was not refused: ${JSON.stringify(answer)}`);
}

async function expect(status, code, call) {
  const error = await rejection(call);
  assert.equal(error.status, status, String(error));
  assert.equal(error.body.code, code);
  assert.equal(error.body.contextId, error.headers["inin-correlation-id"]);
  return error;
}

async function waitUntil(holds, within = 5_000) {
  const deadline = Date.now() + within;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `not within ${within} ms`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

main().then(() => process.exit(0), error => {
  console.error(error);
  process.exit(1);
});
