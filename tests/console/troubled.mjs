// The console of a service that Genesys does not let in, with a queue of commands and a receiver of callbacks that fails: what an operator
// sees on such a night, and does about it.
//
// Usage: node troubled.mjs FOLDER, the folder with node/node_modules; with CHROMIUM, CLOSEOUT_SERVER, CLOSEOUT_TOKEN, CLOSEOUT_SIM, and the
// ports NATS and RECEIVER, of which the latter is listened on here.

import assert from "node:assert/strict";
import http from "node:http";
import path from "node:path";
import { asking, browsing, judge, presses, said, shots, until } from "./browsing.mjs";
import { publish } from "./nats.mjs";

const { CLOSEOUT_SERVER: server, CLOSEOUT_TOKEN: key, CLOSEOUT_SIM: simulator, NATS: nats, RECEIVER: receiver } = process.env;
const ask = asking(key);
const get = path => ask(`${server}${path}`, undefined, "GET");
const { open, logIn, close } = await browsing(server, key);

/** What the receiver of callbacks answers, and what it was told. */
let answer = 500;
const told = [];
const receiving = http.createServer((request, response) => {
  told.push(request.headers["webhook-id"]);
  request.resume();
  response.writeHead(answer).end();
});
await new Promise(done => receiving.listen(Number(receiver), "127.0.0.1", done));

async function conversation() {
  return (await ask(`${simulator}/_sim/conversations`, {})).conversationId;
}

/** A closure that waits for what Genesys refuses: the first as the next probe, the others behind it. */
async function blocked(of = {}) {
  const { id, conversationId } = await ask(`${server}/v1/closures`, { conversationId: await conversation(), ...of });
  await until("it is held up", async () => {
    const { state, waitingFor } = await get(`/v1/closures/${id}`);
    return state === "blocked" || waitingFor === "organisation_blocked";
  });
  return { id, conversationId };
}

async function aBlockedClosureIsUnderstoodAndActedOn() {
  const { id } = await blocked();
  assert.equal((await get(`/v1/closures/${id}`)).state, "blocked");
  for (const [size, width] of [["desktop", 1280], ["phone", 390]]) {
    for (const theme of ["light", "dark"]) {
      const page = await open({ width, theme });
      await logIn(page);
      assert.ok(await page.getByText("does not accept the credential of main").isVisible(), "what Genesys refuses");
      assert.ok(await page.getByText("Check the client id, its secret and the region").isVisible(), "and what to check");
      await judge(page, `the first page while Genesys refuses, ${size}, ${theme}`);
      await page.screenshot({ path: path.join(shots, `home-refused-${size}-${theme}.png`), fullPage: true });
      await page.goto(`${server}/console/closures/${id}`);
      await judge(page, `a blocked closure, ${size}, ${theme}`);
      await page.screenshot({ path: path.join(shots, `closure-blocked-${size}-${theme}.png`), fullPage: true });
      await page.context().close();
    }
  }
  const page = await open();
  await logIn(page, `/console/closures/${id}`);
  await page.getByRole("link", { name: "See how it stands" }).click();
  await page.waitForURL("**/console/settings");
  await page.goto(`${server}/console/closures/${id}`);
  await presses(page, "retry", "the secret was renewed");
  assert.ok((await page.locator("table.steps").textContent()).includes("the secret was renewed"));
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("a blocked closure and the first page say what Genesys refuses and what to check; every button does something");
}

async function callsGoOnFromTheClosureThatWaitsForThem() {
  const { id } = await blocked();
  const page = await open();
  await logIn(page, "/console/settings");
  await page.getByLabel("Why").fill("maintenance");
  await page.getByRole("button", { name: "Stop all calls" }).click();
  await page.waitForSelector(".told.good");
  await page.goto(`${server}/console/closures/${id}`);
  await judge(page, "a closure of which all calls are stopped");
  await page.getByLabel("Why").first().fill("it is over");
  await page.getByRole("button", { name: "let calls go on" }).click();
  await page.waitForSelector(".told.good");
  assert.equal((await get("/readyz?verbose=true")).organisations[0].paused, false);
  const { items } = await get("/v1/audit?action=outgoing.pause,outgoing.resume");
  assert.deepEqual(items.map(one => one.why), ["it is over", "maintenance"]);
  await page.context().close();
  said("calls that were stopped go on from the page of a closure that waits for them, with why");
}

async function aSourceIsPausedAndResumed() {
  const conversationId = await conversation();
  const closures = async () => (await get(`/v1/conversations/${conversationId}/closures`)).items;
  const page = await open();
  await logIn(page, "/console/sources");
  const row = page.getByTestId("sources").getByRole("row").filter({ hasText: "orders" });
  await row.getByLabel("Why").fill("the broker moves");
  await row.getByRole("button", { name: "Pause orders" }).click();
  await page.waitForSelector(".told.good");
  await until("it is paused", async () => (await get("/v1/sources")).items[0].state === "paused");
  await publish(nats, { conversationId });
  await page.goto(server);
  assert.ok(await page.getByText("The source orders is paused by olga.").isVisible());
  assert.ok(await page.getByText("“the broker moves”").isVisible());
  assert.deepEqual(await closures(), [], "nothing is taken from it");
  await page.getByRole("link", { name: "The source orders is paused" }).click();
  await row.getByRole("button", { name: "Resume orders" }).click();
  await page.waitForSelector(".told.good");
  await until("what had waited is taken", async () => (await closures()).length === 1);
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("a source is paused, shown as that with who and why, and resumed");
}

async function deadLettersAreGivenAgainAndLetGo() {
  // One stands in the way of what is open; the other says nothing that is understood.
  const { id, conversationId } = await blocked({ policy: { order: "conversation_first" } });
  await publish(nats, { conversationId, policy: { order: "guest_first" } });
  await publish(nats, { nothing: "that is known" });
  const held = async () => (await get("/v1/dead-letters?state=held")).items;
  await until("both are kept", async () => (await held()).length === 2);
  const page = await open();
  await logIn(page);
  await page.getByRole("link", { name: "2 commands could not be taken." }).click();
  await judge(page, "dead letters");
  await page.screenshot({ path: path.join(shots, "dead-letters.png"), fullPage: true });
  const letter = text => page.getByTestId("letters").getByRole("row").filter({ hasText: text });
  const sees = async (text, button, why) => {
    await letter(text).getByLabel("Why").fill(why);
    await letter(text).getByRole("button", { name: button }).click();
    await page.waitForSelector(".told");
  };
  await sees("contradicting options", "Give again", "too early");
  assert.ok(await page.locator(".told.bad").isVisible(), "it cannot be taken while the other is open");
  await page.goto(`${server}/console/closures/${id}`);
  await presses(page, "cancel", "the other order is wanted");
  await page.goto(`${server}/console/sources`);
  await sees("contradicting options", "Give again", "the way is free");
  assert.ok(await page.locator(".told.good").isVisible(), await page.locator(".told").textContent());
  const anew = (await get(`/v1/conversations/${conversationId}/closures`)).items;
  assert.equal(anew.length, 2, "its closure is there");
  await sees("invalid field", "Let go", "a test");
  assert.ok(await page.locator(".told.good").isVisible());
  assert.deepEqual(await held(), []);
  assert.ok(await page.getByText("None waits for anybody").isVisible());
  await page.getByLabel("State").selectOption("any");
  await page.getByRole("button", { name: "Show" }).click();
  assert.equal(await page.getByTestId("letters").locator("tbody tr").count(), 2, "what was seen to is still shown");
  await judge(page, "dead letters that were seen to");
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("a dead letter is given again once its cause is gone, and another is let go");
}

async function aDeliveryIsMadeAgain() {
  const { id } = await blocked({ callback: { url: `http://127.0.0.1:${receiver}/ended`, on: ["cancelled"] } });
  await ask(`${server}/v1/closures/${id}/cancel`, { reason: "to be told of" });
  const delivery = async () => (await get(`/v1/deliveries?closure=${id}`)).items[0];
  await until("the receiver has refused it", async () => (await delivery())?.status === 500);
  const page = await open();
  await logIn(page, `/console/deliveries?closure=${id}`);
  await judge(page, "deliveries");
  await page.screenshot({ path: path.join(shots, "deliveries-filled.png"), fullPage: true });
  assert.ok(await page.getByTestId("deliveries").getByText("500").isVisible(), "what it answered");
  answer = 204;
  await page.getByLabel("Why").fill("the receiver is back");
  await page.getByRole("button", { name: "Deliver again" }).click();
  await page.waitForSelector(".told.good");
  await until("it is delivered", async () => (await delivery()).result === "delivered");
  assert.equal(new Set(told).size, 1, "under the same id");
  await page.getByLabel("Result").selectOption("delivered");
  await page.getByRole("button", { name: "Show" }).click();
  assert.equal(await page.getByTestId("deliveries").locator("tbody tr").count(), 1);
  await page.getByLabel("Result").selectOption("given_up");
  await page.getByRole("button", { name: "Show" }).click();
  assert.ok(await page.getByText("No delivery matches.").isVisible());
  const { id: of, eventId } = await delivery();
  await page.getByRole("searchbox", { name: "Find by any id" }).fill(of);
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/console/deliveries?id=${of}#${of}`);
  assert.equal(await page.locator("tr:target").count(), 1, "a delivery that was looked for is marked");
  await page.getByTestId("deliveries").getByRole("link").click();
  await page.waitForURL(`**/console/closures/${id}#${eventId.split("-")[0]}`);
  assert.ok((await page.locator("tr:target").textContent()).includes("to be told of"), "and leads to the line that it told of");
  const { items } = await get("/v1/audit?action=delivery.redeliver");
  assert.deepEqual(items.map(one => one.why), ["the receiver is back"]);
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("a delivery that failed is made again, and found by its result");
}

try {
  await aBlockedClosureIsUnderstoodAndActedOn();
  await callsGoOnFromTheClosureThatWaitsForThem();
  await aSourceIsPausedAndResumed();
  await deadLettersAreGivenAgainAndLetGo();
  await aDeliveryIsMadeAgain();
} finally {
  await close();
  receiving.close();
  receiving.closeAllConnections();
}
