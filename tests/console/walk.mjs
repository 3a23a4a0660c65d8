// The operator's console as an operator meets it.
//
// Usage: node walk.mjs FOLDER, the folder with node/node_modules; with CHROMIUM and what `closeout dev` prints.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const folder = path.resolve(process.argv[2]);
const require = createRequire(path.join(folder, "node", "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const { CLOSEOUT_SERVER: server, CLOSEOUT_TOKEN: key, CLOSEOUT_SIM: simulator, CHROMIUM } = process.env;
const shots = path.join(folder, "shots");
mkdirSync(shots, { recursive: true });

async function ask(url, body, method = "POST") {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${url}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

/** A session whose webhook is lost, and its closure, which becomes a ghost. */
async function ghost(of = {}) {
  const { conversationId } = await ask(`${simulator}/_sim/conversations`, { presets: ["lost-webhook"], ...of });
  const policy = { evidence: "webhook_only", deadline: "PT1S" };
  const closure = await ask(`${server}/v1/closures?wait=30s`, { conversationId, policy, reason: "<b>bold</b>" });
  assert.equal(closure.state, "ghost", JSON.stringify(closure));
  return closure;
}

async function conversation(presets = []) {
  return (await ask(`${simulator}/_sim/conversations`, { presets })).conversationId;
}

const stateOf = async id => (await ask(`${server}/v1/closures/${id}`, undefined, "GET")).state;

/** Waits until it holds. A busy machine is slow; what never holds is a failure. */
async function until(what, holds) {
  for (const begun = Date.now(); Date.now() - begun < 60_000; ) {
    if (await holds()) return;
    await new Promise(done => setTimeout(done, 100));
  }
  assert.fail(`${what}: not within a minute`);
}

const said = name => console.log(`ok  Console: ${name}`);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });

/** A page of a new browser profile. What the browser complains of stands in `wrong`. */
async function open({ width = 1280, theme = "light", scripts = true } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme, javaScriptEnabled: scripts });
  const page = await context.newPage();
  page.wrong = [];
  page.on("console", message => ["error", "warning"].includes(message.type()) && page.wrong.push(message.text()));
  page.on("pageerror", error => page.wrong.push(String(error)));
  page.on("request", request => request.url().startsWith(server) || request.url().startsWith("data:") || page.wrong.push(request.url()));
  return page;
}

async function logIn(page, to = "/") {
  await page.goto(server + to);
  await page.getByLabel("Key").fill(key);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForSelector("nav[aria-label=Pages]");
}

async function judge(page, name) {
  // Playwright evaluates outside the page's own policy, so the judge needs no hole in it.
  await page.evaluate(axe);
  const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  const found = violations.map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 160)).join(" | ")}`);
  assert.deepEqual(found, [], `axe on ${name}`);
  const wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
  assert.deepEqual(page.wrong, [], `the browser complains of ${name}`);
}

const act = (page, name) => page.getByTestId(`act-${name}`);

async function everyPageLooksRight(ghosts) {
  const batch = await ask(`${server}/v1/batches`, [{ conversationId: await conversation() }]);
  const pages = {
    home: "/", closures: "/console/closures", none: "/console/closures?state=cancelled", closure: `/console/closures/${ghosts[0].id}`,
    batches: "/console/batches", batch: `/console/batches/${batch.id}`, sources: "/console/sources", received: "/console/received",
    deliveries: "/console/deliveries", audit: "/console/audit", settings: "/console/settings", missing: "/console/closures/cl_00000000000000000000000000",
  };
  for (const [size, width] of [["desktop", 1280], ["phone", 390]]) {
    for (const theme of ["light", "dark"]) {
      const page = await open({ width, theme });
      await page.goto(`${server}/console/closures`);
      await judge(page, `log-in, ${size}, ${theme}`);
      await page.screenshot({ path: path.join(shots, `login-${size}-${theme}.png`) });
      await page.goto(`${server}/docs`);
      await judge(page, `the HTTP API, ${size}, ${theme}`);
      await page.screenshot({ path: path.join(shots, `docs-${size}-${theme}.png`) });
      await logIn(page);
      for (const [name, address] of Object.entries(pages)) {
        await page.goto(server + address);
        // A page that is not there says so by its status, which the browser notes.
        if (name === "missing") page.wrong.length = 0;
        await judge(page, `${name}, ${size}, ${theme}`);
        await page.screenshot({ path: path.join(shots, `${name}-${size}-${theme}.png`), fullPage: true });
      }
      assert.match(await page.title(), /Closeout/);
      await page.context().close();
    }
  }
  said("every page and /docs, both themes, desktop and phone; axe and browser have nothing to say");
}

/** Acts, and waits until that is told. A ghost that was read again after the page was made is at another version: then the act is
 *  refused, the page shows how it stands now, and a person acts again. */
async function isDone(page, acts) {
  await acts();
  await page.waitForSelector(".told");
  if (await page.locator(".told.bad").filter({ hasText: "The closure is at version" }).count()) await acts();
  await page.waitForSelector(".told.good");
}

/** Somebody who has only the page, and any id of a session. */
async function aStuckSessionIsFoundUnderstoodAndFixedByKeyboard(stuck) {
  const page = await open();
  await logIn(page);
  assert.match(await page.title(), /^\(\d+\)/, "the title counts the ghosts");
  await page.keyboard.press("/");
  await page.keyboard.type(stuck.participantId);
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=/);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/console/closures/${stuck.id}`);
  assert.ok(await page.getByText("A ghost:").first().isVisible(), "why, in words");
  assert.ok(await page.getByRole("heading", { name: "Missing" }).isVisible());
  assert.equal(await page.locator("b").count(), 0, "what a producer wrote is text");
  await isDone(page, async () => {
    const reason = act(page, "resolve").getByLabel("Why");
    for (let tab = 0; tab < 40 && !(await reason.evaluate(field => field === document.activeElement)); tab += 1) {
      await page.keyboard.press("Tab");
    }
    await page.keyboard.type("the shop saw the widget closed");
    await page.keyboard.press("Enter");
  });
  await until("it is resolved", async () => (await stateOf(stuck.id)) === "resolved");
  await page.reload();
  assert.ok(await page.locator(".title .state").getByText("resolved").isVisible(), "and shown as that");
  assert.ok((await page.locator("table.steps").textContent()).includes("the shop saw the widget closed"), "with who and why");
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("a stuck session is found by any id, understood, fixed and seen fixed, by keyboard alone");
}

async function everyActOnAGhostWorks(ghosts) {
  const page = await open();
  await logIn(page, `/console/closures/${ghosts[0].id}`);
  const does = (name, fill) => isDone(page, async () => {
    const form = act(page, name);
    await fill?.(form);
    await form.getByRole("button").click();
  });
  await does("claim");
  await does("snooze", form => form.getByRole("combobox").selectOption("4"));
  await does("comment", form => form.getByRole("textbox").fill("asked <i>the shop</i>"));
  const story = await page.locator(".story").textContent();
  for (const part of ["dev claimed it", "dev snoozed it until", "asked <i>the shop</i>"]) assert.ok(story.includes(part), `${part}: ${story}`);
  await does("force", form => form.getByRole("textbox").fill("the guest asked for it"));
  await until("it is closed", async () => (await stateOf(ghosts[0].id)) === "closed");
  await page.goto(`${server}/console/closures/${ghosts[1].id}`);
  await does("cancel");
  await until("it is called off", async () => (await stateOf(ghosts[1].id)) === "cancelled");
  // A reason that is needed is asked for by the browser, and by the service.
  await page.goto(`${server}/console/closures/${ghosts[2].id}`);
  await act(page, "resolve").getByRole("textbox").evaluate(field => field.removeAttribute("required"));
  await act(page, "resolve").getByRole("button").click();
  await page.waitForSelector(".told.bad");
  assert.equal(await stateOf(ghosts[2].id), "ghost");
  await page.context().close();
  said("claim, snooze, comment, force, cancel; a refusal is told and nothing done");
}

async function aBatchIsShownBeforeItRuns() {
  const page = await open();
  await logIn(page, "/console/batches");
  const wanted = [await conversation(), await conversation(), await conversation()];
  await page.getByLabel("Ids of conversations").fill(`${wanted.join("\n")}\nno-id`);
  await page.getByTestId("rows").getByRole("button", { name: "Preview" }).click();
  if (await page.locator(".told.bad").count()) {
    // One bad id is said, and nothing is lost but the page: the ids are given again.
    await page.getByLabel("Ids of conversations").fill(wanted.join(", "));
    await page.getByTestId("rows").getByRole("button", { name: "Preview" }).click();
  }
  await page.waitForURL("**/console/batches/bt_*");
  await page.getByRole("heading", { name: "Close 3 sessions" }).waitFor();
  await page.getByLabel("Why; it becomes").fill("a test of the console");
  await page.getByRole("button", { name: "Close 3 sessions" }).click();
  await page.waitForSelector(".told.good");
  await until("all are closed", async () => {
    await page.reload();
    return (await page.locator(".title .state").textContent()).includes("finished");
  });
  assert.equal(await page.locator("tbody .state.good").count(), 3);
  await page.goto(`${server}/console/batches`);
  await page.getByLabel("Open for at least").fill("1");
  await page.getByTestId("scan").getByRole("button", { name: "Look" }).click();
  await page.waitForURL("**/console/batches/bt_*");
  await page.goto(`${server}/console/closures?state=failed`);
  await page.context().close();
  said("a batch is shown, executed with its number and reason, and followed; a scan is begun");
}

async function manyAreActedOnAtOnce() {
  const [one, two] = [await ghost(), await ghost()];
  const page = await open();
  await logIn(page, "/console/closures?state=ghost");
  // The latest stand first; the first two are chosen by keys.
  for (const key of ["j", "x", "j", "x"]) await page.keyboard.press(key);
  const preview = page.getByTestId("chosen").getByRole("button");
  assert.equal(await preview.textContent(), "Preview for the 2 chosen");
  await page.getByTestId("chosen").getByLabel("What to do").selectOption("cancel");
  await preview.click();
  await page.waitForURL("**/console/batches/bt_*");
  await page.getByRole("heading", { name: "Cancel 2 closures" }).waitFor();
  await judge(page, "a batch of an act");
  assert.deepEqual([await stateOf(one.id), await stateOf(two.id)], ["ghost", "ghost"], "nothing is done by a preview");
  await page.getByLabel("Why; it is kept").fill("a test of many");
  await page.getByRole("button", { name: "Cancel 2 closures" }).click();
  await page.waitForSelector(".told.good");
  await until("both are called off", async () => (await stateOf(one.id)) === "cancelled" && (await stateOf(two.id)) === "cancelled");
  const third = await ghost();
  await page.goto(`${server}/console/closures?state=ghost&since=1h`);
  await page.getByLabel("What to do").last().selectOption("resolve");
  await page.getByRole("button", { name: "Preview a batch of all that match" }).click();
  await page.waitForURL("**/console/batches/bt_*");
  await page.getByLabel("Why; it is kept").fill("all of them");
  await page.getByRole("button", { name: /^Resolve \d+ closures?$/ }).click();
  await until("all are resolved", async () => (await stateOf(third.id)) === "resolved");
  await page.goto(`${server}/console/audit?action=batch.execute`);
  await judge(page, "audit with acts");
  await page.screenshot({ path: path.join(shots, "audit-filled.png"), fullPage: true });
  const told = await page.getByTestId("audit").textContent();
  for (const part of ["a test of many", "all of them", "batch.execute", "dev"]) assert.ok(told.includes(part), `${part}: ${told}`);
  await page.getByLabel("Until").fill("1h");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("No act.").waitFor();
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("an act on those that are chosen and on all that match: shown, executed with its number, and in the audit");
}

/** From the page of all that is wrong to the ghosts of one queue, and to an act on these and no others. */
async function ghostsAreFoundByTheirQueue() {
  const [one, other] = [randomUUID(), randomUUID()];
  const ofOne = [await ghost({ queue: one }), await ghost({ queue: one })];
  const ofOther = await ghost({ queue: other });
  const page = await open();
  await logIn(page);
  const row = page.getByTestId("queues").getByRole("row").filter({ hasText: one });
  await judge(page, "what needs me, by queue");
  await page.screenshot({ path: path.join(shots, "home-queues.png"), fullPage: true });
  assert.equal(await row.getByRole("cell").nth(1).textContent(), "2", await row.textContent());
  await row.getByRole("link").click();
  await page.waitForURL(new RegExp(`queueId=${one}`));
  const listed = page.getByTestId("closures").locator("tbody tr");
  assert.equal(await listed.count(), 2);
  for (const text of await listed.allTextContents()) assert.ok(text.includes(one), `each shows its queue: ${text}`);
  await judge(page, "the ghosts of a queue");
  await page.screenshot({ path: path.join(shots, "list-queue.png"), fullPage: true });
  await page.getByLabel("What to do").last().selectOption("cancel");
  await page.getByRole("button", { name: "Preview a batch of all that match" }).click();
  await page.waitForURL("**/console/batches/bt_*");
  await page.getByLabel("Why; it is kept").fill("all of one queue");
  await page.getByRole("button", { name: "Cancel 2 closures" }).click();
  await until("both are called off", async () => (await Promise.all(ofOne.map(({ id }) => stateOf(id)))).every(state => state === "cancelled"));
  assert.equal(await stateOf(ofOther.id), "ghost", "and nothing of the other queue");
  await page.goto(`${server}/console/closures/${ofOther.id}`);
  assert.ok(await page.getByText(other).isVisible(), "a ghost shows its queue");
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("ghosts by queue, from the first page to an act on those of one queue");
}

async function callsAreStoppedAndLetGoOn() {
  const page = await open();
  await logIn(page, "/console/settings");
  await page.getByLabel("Why").fill("maintenance");
  await page.getByRole("button", { name: "Stop all calls" }).click();
  await page.waitForSelector(".told.good");
  await page.goto(server);
  assert.ok(await page.getByText("are paused by an operator").isVisible());
  await page.getByText("are paused by an operator").click();
  await page.getByRole("button", { name: "Let calls go on" }).click();
  await page.waitForSelector(".told.good");
  await page.context().close();
  said("all calls of an organisation are stopped, shown as that, and let go on");
}

async function whatChangesTakesNothingAway() {
  const page = await open();
  await logIn(page, "/console/closures");
  await page.setViewportSize({ width: 1280, height: 360 });
  await page.locator("#reason").fill("half a wo");
  const rows = () => page.locator("tr[data-row]").allTextContents();
  const before = await rows();
  await page.evaluate("document.querySelector('#reason').setSelectionRange(2, 5); scrollTo(0, 120)");
  const made = await ask(`${simulator}/_sim/conversations`, { count: 1_000 });
  const wanted = made.conversations.map(one => one.conversationId);
  // Each version of a closure is a change of what the page shows.
  const begun = Date.now();
  let changes = 0;
  const one = async () => {
    for (let conversationId; (conversationId = wanted.pop()); ) {
      const { version } = await ask(`${server}/v1/closures?wait=30s`, { conversationId });
      changes += version;
    }
  };
  await Promise.all(Array.from({ length: 64 }, one));
  const rate = Math.round((1_000 * changes) / (Date.now() - begun));
  assert.ok(rate > 0, "changes are counted");
  await page.locator(".news").waitFor({ timeout: 60_000 });
  assert.match(await page.locator(".news").textContent(), /^\d+ changed/);
  assert.deepEqual(await rows(), before, "no row moved");
  const kept = await page.evaluate("[document.activeElement.id, document.activeElement.selectionStart, document.activeElement.selectionEnd, document.activeElement.value, scrollY]");
  assert.deepEqual(kept, ["reason", 2, 5, "half a wo", 120], "focus, selection, text and scroll are as they were");
  await page.getByRole("link", { name: "Show" }).click();
  await until("the new rows are there", async () => (await rows()).length > 0 && (await rows())[0] !== before[0]);
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said(`what changes, ${rate} times a second, is told and moves nothing; it is shown when it is asked for`);
}

async function withoutScriptsItWorksToo(stuck) {
  const page = await open({ scripts: false });
  await logIn(page, `/console/closures?q=${stuck.conversationId}`);
  await page.getByRole("link", { name: stuck.conversationId }).click();
  await act(page, "comment").getByRole("textbox").fill("no script was needed");
  await act(page, "comment").getByRole("button").click();
  assert.ok((await page.locator(".story").textContent()).includes("no script was needed"));
  await page.locator(".who summary").click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto(`${server}/console/closures`);
  assert.match(page.url(), /\/console\/login/);
  await page.context().close();
  said("without scripts, and out again");
}

try {
  const ghosts = [];
  for (let number = 0; number < 5; number += 1) ghosts.push(await ghost());
  await everyPageLooksRight(ghosts);
  await aStuckSessionIsFoundUnderstoodAndFixedByKeyboard(ghosts[4]);
  await everyActOnAGhostWorks(ghosts);
  await withoutScriptsItWorksToo(ghosts[3]);
  await aBatchIsShownBeforeItRuns();
  await manyAreActedOnAtOnce();
  await ghostsAreFoundByTheirQueue();
  await callsAreStoppedAndLetGoOn();
  await whatChangesTakesNothingAway();
} finally {
  await browser.close();
}
