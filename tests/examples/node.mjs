// Drives the client and the shop's service of the Node example as they were compiled.
//
// Usage: node node.mjs DIST, with CLOSEOUT_SERVER, CLOSEOUT_TOKEN and CLOSEOUT_SIM as `closeout dev` prints them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const dist = path.resolve(process.argv[2]);
const { Closeout, Refused, Unreachable, inWords } = await import(pathToFileURL(path.join(dist, "closeout.js")));
const { CLOSEOUT_SERVER: server, CLOSEOUT_TOKEN: key, CLOSEOUT_SIM: simulator } = process.env;
const closeout = Closeout.fromEnvironment();

const checks = {
  async "Node: a session is closed with proof, and the same key comes to the same closure"() {
    const { conversationId } = await newGuest();
    const how = { waitSeconds: 20, idempotencyKey: `order-${conversationId}` };
    const closure = await closeout.close({ conversationId, reason: "order_completed" }, how);
    assert.equal(closure.state, "closed");
    assert.equal(closure.confirmedBy.kind, "webhook");
    assert.equal(await guestState(conversationId), "disconnected");
    assert.equal((await closeout.close({ conversationId, reason: "order_completed" }, how)).id, closure.id);
    assert.equal((await closeout.close({ conversationId }, { waitSeconds: 20 })).state, "already_closed");
    assert.match(inWords(closure), /is closed, proven by webhook$/);
  },

  async "Node: a ghost and a failure are answers, with what can be done"() {
    const ghost = await newGuest({ presets: ["lost-webhook"] });
    const policy = { evidence: "webhook_only", deadline: "PT1S" };
    let closure = await closeout.close({ conversationId: ghost.conversationId, policy }, { waitSeconds: 8 });
    assert.deepEqual([closure.state, closure.reason], ["ghost", "no_confirmation"]);
    assert.match(closure.problem.fix, /closeout resolve/);
    const talking = await newGuest({ agent: "connected" });
    closure = await closeout.close({ conversationId: talking.conversationId }, { waitSeconds: 8 });
    assert.deepEqual([closure.state, closure.reason], ["failed", "agent_connected"]);
    assert.match(inWords(closure), /is not closed: .* Request it anew once the agent has left/);
  },

  async "Node: a refusal is an error that says what to do, and an absent service one of its own"() {
    await assert.rejects(closeout.close({ conversationId: "2f7bf00a" }), error => {
      assert.ok(error instanceof Refused);
      assert.deepEqual([error.problem.code, error.problem.field], ["invalid_field", "conversationId"]);
      return error.message.endsWith(error.problem.fix);
    });
    await assert.rejects(new Closeout(server, "ck_wrong").get("cl_01jd5w3k9m2q8r7tb4x0y6z1ne"), { name: "Refused" });
    await assert.rejects(new Closeout("http://127.0.0.1:9", key, 1).get("cl_1"), Unreachable);
  },

  async "Node: only what can succeed later is asked again, with the same key"() {
    const { conversationId } = await newGuest();
    let asked = await standIn([refusal(503, true), refusal(503, true)], address =>
      new Closeout(address, key).close({ conversationId }, { waitSeconds: 5 }));
    assert.deepEqual([asked.keys.length, new Set(asked.keys).size, asked.end.state], [3, 1, "closed"]);
    asked = await standIn([refusal(409, false)], address =>
      new Closeout(address, key).close({ conversationId }).catch(error => error));
    assert.deepEqual([asked.keys.length, asked.end.message], [1, "It is so. Do this."]);
  },

  async "Node: the shop ends the participant, has proof, and then ends the conversation"() {
    const guest = await newGuest();
    await withShop(async shop => {
      const { status, body } = await done(shop, "8812", guest);
      assert.deepEqual([status, body.session, body.proof.kind], [200, "closed", "webhook"]);
      assert.equal(await guestState(guest.conversationId), "disconnected");
      const journal = await journalOf(guest.conversationId);
      const calls = journal.filter(({ kind }) => kind === "call").map(({ what }) => what.split("/")[0] + what.split("/").length);
      assert.deepEqual(calls, ["GET 5", "PATCH 8", "DELETE 5"]);
    });
  },

  async "Node: the shop closes once: told twice, told twice at once, told again after a restart"() {
    const guest = await newGuest();
    const closures = new Set();
    const tell = async shop => closures.add((await done(shop, "8813", guest)).body.closure);
    await withShop(async shop => {
      await Promise.all([tell(shop), tell(shop)]);
      await tell(shop);
    });
    await withShop(tell);
    assert.equal(closures.size, 1);
    assert.ok(!closures.has(undefined));
    const calls = (await journalOf(guest.conversationId)).filter(({ kind }) => kind === "call");
    assert.equal(calls.length, 3);
  },

  async "Node: the shop lets an agent finish, and says what it does not understand"() {
    const guest = await newGuest({ agent: "connected" });
    await withShop(async shop => {
      const { status, body } = await done(shop, "8814", guest);
      assert.equal(status, 202);
      assert.ok(!["closed", "failed"].includes(body.session), body.session);
      assert.equal(await guestState(guest.conversationId), "connected");
      assert.equal((await done(shop, "8815", {})).status, 400);
      assert.equal((await done(shop, "88%2015", guest)).status, 404);
    }, { SHOP_WAIT_SECONDS: "1" });
    await withShop(async shop => {
      const { status, body } = await done(shop, "8816", guest);
      assert.equal(status, 502);
      assert.match(body.error, /tokens\.toml/);
    }, { CLOSEOUT_TOKEN: "ck_wrong" });
  },
};

async function newGuest(like = {}) {
  return (await post(`${simulator}/_sim/conversations`, like)).body;
}

async function guestState(conversation) {
  return (await (await fetch(`${simulator}/_sim/guest/${conversation}/state`)).json()).guestState;
}

async function journalOf(conversation) {
  const { entries } = await (await fetch(`${simulator}/_sim/journal?conversationId=${conversation}`)).json();
  return entries;
}

async function post(url, body) {
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: answer.status, body: await answer.json() };
}

function done(shop, order, { conversationId, participantId }) {
  return post(`${shop}/orders/${order}/done`, { conversationId, participantId });
}

/** Runs the shop's service for as long as something is done with it. */
async function withShop(use, environment = {}) {
  const env = { ...process.env, PORT: "0", ...environment };
  const shop = spawn(process.execPath, [path.join(dist, "service.js")], { env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [line] = await once(shop.stdout.setEncoding("utf8"), "data");
    shop.stdout.resume();
    return await use(/http:\S+/.exec(line)[0]);
  } finally {
    shop.kill();
    if (shop.exitCode === null && shop.signalCode === null) await once(shop, "exit");
  }
}

function refusal(status, retryable) {
  const body = { type: "urn:closeout:problem:x", title: "x", status, detail: "It is so.", code: "x", retryable, fix: "Do this." };
  return { status, body, headers: { "content-type": "application/problem+json", ...(retryable && { "retry-after": "0" }) } };
}

/** Stands in for Closeout: gives these answers, then Closeout's own. */
async function standIn(answers, use) {
  const keys = [];
  const stand = createServer(async (request, response) => {
    const pieces = await request.toArray();
    keys.push(request.headers["idempotency-key"]);
    const next = answers.shift();
    if (next) return response.writeHead(next.status, next.headers).end(JSON.stringify(next.body));
    const { status, body } = await post(server + request.url, JSON.parse(Buffer.concat(pieces)));
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await once(stand.listen(0, "127.0.0.1"), "listening");
  try {
    return { end: await use(`http://127.0.0.1:${stand.address().port}`), keys };
  } finally {
    stand.closeAllConnections();
    stand.close();
  }
}

const ends = await Promise.allSettled(Object.values(checks).map(check => check()));
Object.keys(checks).forEach((name, index) => {
  const { reason } = ends[index];
  console.log(reason ? `FAILED  ${name}: ${reason.stack ?? reason}` : `ok  ${name}`);
  if (reason) process.exitCode = 1;
});
