// The console as somebody meets it who has nothing else: what a page shows can be asked for, and what it says can be pressed.
//
// Usage: node reading.mjs FOLDER, the folder with node/node_modules; with CHROMIUM and what `closeout dev` prints.

import assert from "node:assert/strict";
import path from "node:path";
import { asking, browsing, judge, said, shots, until } from "./browsing.mjs";

const { CLOSEOUT_SERVER: server, CLOSEOUT_TOKEN: key, CLOSEOUT_SIM: simulator } = process.env;
const ask = asking(key);
const { open, logIn, close } = await browsing(server, key);

async function conversation(presets = []) {
  return (await ask(`${simulator}/_sim/conversations`, { presets })).conversationId;
}

/** A session whose webhook is lost, and its closure, which becomes a ghost. */
async function ghost() {
  const conversationId = await conversation(["lost-webhook"]);
  const closure = await ask(`${server}/v1/closures?wait=30s`, { conversationId, policy: { evidence: "webhook_only", deadline: "PT1S" } });
  assert.equal(closure.state, "ghost", JSON.stringify(closure));
  return closure;
}

/** Somebody who has nothing but the page, and the id of a conversation that is stuck and of which no end was asked for. */
async function aConversationThatNobodyAskedForIsClosedFromTheSearch() {
  const conversationId = await conversation();
  const page = await open();
  await logIn(page);
  await page.getByRole("searchbox", { name: "Find by any id" }).fill(conversationId);
  await page.keyboard.press("Enter");
  await page.getByText("No closure matches.").waitFor();
  await judge(page, "a search that finds nothing and can be closed");
  await page.screenshot({ path: path.join(shots, "closures-unknown.png"), fullPage: true });
  await page.getByRole("button", { name: "Close this conversation …" }).click();
  await page.waitForURL("**/console/batches/bt_*");
  await page.getByLabel("Why; it becomes").fill("the guest called");
  await page.getByRole("button", { name: "Close 1 session" }).click();
  await page.waitForSelector(".told.good");
  const closures = async () => (await ask(`${server}/v1/conversations/${conversationId}/closures`, undefined, "GET")).items;
  await until("it is closed", async () => (await closures())[0]?.state === "closed");
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("a conversation that nobody asked to close is closed from the search, shown first");
}

/** What somebody sees on the page, or has from a page of Genesys, and puts into the filter. */
async function whatThePageShowsCanBeAskedFor() {
  const made = await ghost();
  const page = await open();
  await logIn(page, "/console/closures");
  const { paths } = await ask(`${server}/openapi.json`, undefined, "GET");
  const reasons = paths["/v1/closures"].get.parameters.find(one => one.name === "reason").schema.items.enum;
  const offered = await page.getByLabel("Reason").locator("option").evaluateAll(options => options.map(one => one.value).filter(Boolean));
  assert.deepEqual(offered.toSorted(), reasons.toSorted(), "every reason can be chosen");
  const finds = async fill => {
    await page.goto(`${server}/console/closures`);
    await fill();
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/\?/);
    assert.ok(await page.locator(`tr#${made.id}`).isVisible(), page.url());
  };
  await finds(() => page.getByLabel("Reason").selectOption({ label: made.reason.replaceAll("_", " ") }));
  const accepted = () => page.locator(`tr#${made.id} time`).first().textContent();
  await finds(async () => page.getByLabel("Since").fill(await accepted()));
  await finds(() => page.getByLabel("Id", { exact: true }).fill(`https://apps.example/directory/#/analytics/interactions/${made.conversationId}/admin`));
  await page.locator(".who summary").click();
  await page.getByLabel("Times").selectOption("local");
  await finds(async () => page.getByLabel("Since").fill(await accepted()));
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("reasons and times are asked for as the page shows them, and a conversation by its address at Genesys");
}

/** Somebody on a phone who opens the first page, and wants to know what to press. */
async function theFirstPageNamesWhatIsPressedAndLeadsThere() {
  const { id } = await ghost();
  const page = await open({ width: 390 });
  await logIn(page);
  const way = page.locator(`a[href^="/console/closures/${id}#act-"]`);
  assert.equal(await way.textContent(), "Resolve");
  await way.click();
  await page.waitForURL(`**/console/closures/${id}#act-resolve`);
  const marked = page.locator(".acts li:target");
  assert.ok(await marked.getByRole("button", { name: "resolve" }).isVisible());
  assert.ok(await marked.evaluate(act => act.getBoundingClientRect().top >= 0 && act.getBoundingClientRect().bottom <= innerHeight), "it is in sight");
  await judge(page, "a closure at one of its acts");
  await page.screenshot({ path: path.join(shots, "closure-at-act.png") });
  await page.context().close();
  said("the first page names what is pressed, and leads there");
}

try {
  await theFirstPageNamesWhatIsPressedAndLeadsThere();
  await aConversationThatNobodyAskedForIsClosedFromTheSearch();
  await whatThePageShowsCanBeAskedFor();
} finally {
  await close();
}
