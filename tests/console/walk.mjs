// The operator's console as an operator meets it.
//
// Usage: node walk.mjs FOLDER, the folder with node/node_modules; with CHROMIUM and what `closeout dev` prints.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { act, asking, browsing, everyRowIsACard, isDone, judge, presses, said, shots, until } from "./browsing.mjs";

const { CLOSEOUT_SERVER: server, CLOSEOUT_TOKEN: key, CLOSEOUT_SIM: simulator } = process.env;
const ask = asking(key);
const { open, logIn, close } = await browsing(server, key);

/** A session whose webhook is lost, and its closure, which becomes a ghost. */
async function ghost(of = {}, policy = { evidence: "webhook_only", deadline: "PT1S" }) {
  const { conversationId, communicationId } = await ask(`${simulator}/_sim/conversations`, { presets: ["lost-webhook"], ...of });
  const closure = await ask(`${server}/v1/closures?wait=30s`, { conversationId, policy, reason: "<b>bold</b>" });
  assert.equal(closure.state, "ghost", JSON.stringify(closure));
  return { ...closure, communicationId };
}

async function conversation(presets = []) {
  return (await ask(`${simulator}/_sim/conversations`, { presets })).conversationId;
}

const stateOf = async id => (await ask(`${server}/v1/closures/${id}`, undefined, "GET")).state;

async function everyPageLooksRight(ghosts) {
  const batch = await ask(`${server}/v1/batches`, [{ conversationId: await conversation() }]);
  const pages = {
    home: "/", closures: "/console/closures", ghosts: "/console/closures?state=ghost", none: "/console/closures?state=cancelled", closure: `/console/closures/${ghosts[0].id}`, force: `/console/closures/${ghosts[0].id}/force`,
    batches: "/console/batches", batch: `/console/batches/${batch.id}`, sources: "/console/sources", received: "/console/received",
    deliveries: "/console/deliveries", audit: "/console/audit", settings: "/console/settings", missing: "/console/closures/cl_00000000000000000000000000",
  };
  for (const [size, width] of [["desktop", 1280], ["phone", 390]]) {
    for (const theme of ["light", "dark"]) {
      const page = await open({ width, theme });
      await page.goto(`${server}/console/closures`);
      await judge(page, `log-in, ${size}, ${theme}`);
      await page.screenshot({ path: path.join(shots, `login-${size}-${theme}.png`) });
      await page.goto(`${server}/console/login?over=key`);
      await judge(page, `log-in of somebody whose key is gone, ${size}, ${theme}`);
      await page.screenshot({ path: path.join(shots, `login-over-${size}-${theme}.png`) });
      await page.goto(`${server}/docs`);
      await judge(page, `the HTTP API, ${size}, ${theme}`);
      await page.screenshot({ path: path.join(shots, `docs-${size}-${theme}.png`) });
      await logIn(page);
      for (const [name, address] of Object.entries(pages)) {
        await page.goto(server + address);
        // A page that is not there says so by its status, which the browser notes.
        if (name === "missing") page.wrong.length = 0;
        await judge(page, `${name}, ${size}, ${theme}`);
        if (size === "desktop" && ["home", "ghosts"].includes(name)) {
          const cut = await page.evaluate("[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).length");
          assert.equal(cut, 0, `the lists of ghosts fit into the width: ${name}, ${theme}`);
        }
        if (size === "phone") await everyRowIsACard(page, name);
        await page.screenshot({ path: path.join(shots, `${name}-${size}-${theme}.png`), fullPage: true });
      }
      const places = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
      const out = await places.evaluateAll(links => links.filter(link => link.getBoundingClientRect().left < 0 || link.getBoundingClientRect().right > innerWidth).map(link => link.textContent));
      assert.deepEqual([await places.count(), out], [8, []], `every place of the menu is seen, ${size}`);
      assert.match(await page.title(), /Closeout/);
      await page.context().close();
    }
  }
  said("every page and /docs, both themes, desktop and phone; axe and browser have nothing to say");
}

/** Somebody who wants it dark whatever the system has, with a script that comes late, or never. */
async function aLookThatIsWantedIsThereFromTheFirstMoment() {
  const page = await open({ theme: "light" });
  await logIn(page);
  const paper = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
  const light = await paper();
  await page.locator(".who summary").click();
  await page.getByLabel("Look").selectOption("dark");
  const dark = await paper();
  assert.notEqual(dark, light);
  await page.route("**/*.js", route => route.abort());
  await page.goto(`${server}/console/closures`);
  assert.equal(await paper(), dark, "also before the script has run");
  await page.unroute("**/*.js");
  page.wrong.length = 0;
  await page.goto(server);
  assert.equal(await page.getByLabel("Look").inputValue(), "dark");
  await judge(page, "dark on a light system");
  await page.locator(".who summary").click();
  await page.getByLabel("Look").selectOption("");
  assert.equal(await paper(), light);
  await page.goto(server);
  assert.equal(await paper(), light, "and as the system has it once that is chosen");
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("a look that is wanted is there from the first moment");
}

/** The ids that logs, browsers and Genesys' support have, beside those of closure, conversation and guest. */
async function aStuckSessionIsFoundByWhateverIdSomebodyHas(stuck) {
  const { items } = await ask(`${server}/v1/closures/${stuck.id}/timeline`, undefined, "GET");
  const calls = items.map(line => line.answered?.correlationId).filter(Boolean);
  assert.ok(calls.length >= 2, JSON.stringify(items));
  const page = await open();
  await logIn(page);
  for (const id of [stuck.communicationId, calls[0], calls.at(-1), stuck.conversationId, stuck.participantId]) {
    await page.goto(`${server}/console/closures`);
    await page.getByLabel("Id", { exact: true }).fill(id.toUpperCase());
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/q=/);
    const found = page.getByTestId("closures").locator("tbody a");
    assert.deepEqual(await found.evaluateAll(links => links.map(link => link.pathname)), [`/console/closures/${stuck.id}`], id);
  }
  const line = items.findLast(one => one.announces.length > 0);
  const event = line.id;
  await page.getByRole("searchbox", { name: "Find by any id" }).fill(event.toUpperCase());
  await page.keyboard.press("Enter");
  await page.waitForURL(`**/console/closures/${stuck.id}#${event}`);
  const marked = page.locator("tr:target");
  assert.equal(await marked.locator("td").first().textContent(), String(line.sequence));
  assert.ok(await marked.evaluate(line => line.getBoundingClientRect().top >= 0 && line.getBoundingClientRect().bottom <= innerHeight), "it is in sight");
  await judge(page, "a closure at the line of an event");
  await page.screenshot({ path: path.join(shots, "closure-at-event.png") });
  await page.goto(`${server}/console/closures?q=of-nobody`);
  assert.ok(await page.getByText("No closure matches.").isVisible());
  await judge(page, "a search that finds nothing");
  await page.context().close();
  said("a stuck session is found by its own id and by those of its calls, and an event at its line");
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

/** Sentences with moments in them, as they are seen in UTC and as how long ago. */
async function momentsReadWellHoweverTheyAreShown(page) {
  const seen = () => page.locator("main").innerText();
  assert.doesNotMatch(await seen(), /\d\dT\d\d:\d\d:\d\d/, "no moment stands as it is written for programs");
  await page.locator(".who summary").click();
  await page.getByLabel("Times").selectOption("ago");
  const ago = await page.locator(".story").innerText();
  for (const part of [/It became a ghost \d+ \w+ ago\./, /dev commented \d+ \w+ ago:/, /dev snoozed it \d+ \w+ ago, until \d+ \w+ from now/, /is read \d+ \w+ from now;/]) assert.match(ago, part);
  assert.doesNotMatch(await seen(), /\b(at|in) \d+ (s|min|h|d)\b/);
  const steps = page.locator("table.steps");
  const [exact, after] = [/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}( UTC)?$/, /\+\d+\.\d{3} s/];
  for (const how of ["ago", "local", "utc"]) {
    await page.getByLabel("Times").selectOption(how);
    for (const at of await steps.locator("td time[data-exact]").allTextContents()) assert.match(at, exact, how);
    assert.match(await steps.textContent(), after, "and how long after the first");
  }
  assert.match(await page.locator(".story").innerText(), /dev commented at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC:/);
  await page.locator(".who summary").click();
}

async function everyActOnAGhostWorks(ghosts) {
  const page = await open();
  await logIn(page, `/console/closures/${ghosts[0].id}`);
  const does = (name, fill) => isDone(page, async () => {
    const form = act(page, name);
    await fill?.(form);
    await form.getByRole("button").click();
  });
  await does("claim", form => form.getByLabel("Why").fill("the night shift has it"));
  await does("snooze", form => form.getByRole("combobox").selectOption("4"));
  await does("comment", form => form.getByRole("textbox").fill("asked <i>the shop</i>"));
  const story = await page.locator(".story").textContent();
  assert.match(await page.getByTestId("since").textContent(), /^It became a ghost at .* UTC \(\d+ \w+ ago\)\.$/);
  for (const part of ["dev claimed it", "the night shift has it", "dev snoozed it at", "asked <i>the shop</i>"]) assert.ok(story.includes(part), `${part}: ${story}`);
  await momentsReadWellHoweverTheyAreShown(page);
  await page.getByRole("link", { name: "force …" }).click();
  await page.getByText("Nothing is done yet").waitFor();
  await judge(page, "the second step of a forced end");
  await page.getByRole("link", { name: "Leave it as it is" }).click();
  await page.getByRole("link", { name: "force …" }).click();
  assert.equal(await stateOf(ghosts[0].id), "ghost", "nothing is done by looking");
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

/** One whose agent does not leave is read at once; one whose close had no effect is begun again. */
async function aGhostIsReadAndBegunAgain() {
  const stays = await ghost({ presets: ["agent-connected"] }, { agentConnected: "wait", deadline: "PT1S" });
  const unclosed = await ghost({ presets: ["200-but-open"] }, { deadline: "PT1S" });
  const page = await open();
  await logIn(page);
  for (const [name, { id, reason }] of [["verify", stays], ["retry", unclosed]]) {
    const calls = async () => (await ask(`${server}/v1/closures/${id}`, undefined, "GET")).apiCalls;
    const before = await calls();
    await page.goto(`${server}/console/closures/${id}`);
    await judge(page, `a ghost, ${reason}`);
    await presses(page, name, "the shop called");
    await until(`${name} led to a call`, async () => (await calls()) > before);
    await page.reload();
    assert.ok((await page.locator("table.steps").textContent()).includes("the shop called"), "with who and why");
  }
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("a single ghost is read at once, and another is begun again");
}

async function aBatchIsShownBeforeItRuns() {
  const page = await open();
  await logIn(page, "/console/batches");
  const wanted = [await conversation(), await conversation(), await conversation()];
  await page.getByLabel("Ids of conversations").fill(`${wanted.join("\n")}\nno-id`);
  await page.getByTestId("rows").getByRole("button", { name: "Preview" }).click();
  if (await page.locator(".told.bad").count()) {
    // One bad id is said, and what was pasted is still there.
    assert.ok((await page.getByLabel("Ids of conversations").inputValue()).includes(wanted[2]));
    await page.getByLabel("Ids of conversations").fill(wanted.join(", "));
    await page.getByTestId("rows").getByRole("button", { name: "Preview" }).click();
  }
  await page.waitForURL("**/console/batches/bt_*");
  await page.getByRole("heading", { name: "Close 3 sessions" }).waitFor();
  await page.getByLabel("Why; it becomes").fill("a test of the console");
  await page.getByRole("button", { name: "Close 3 sessions" }).click();
  await page.waitForSelector(".told.good");
  const rows = () => page.locator("tr[data-row]").allTextContents();
  const before = await rows();
  await page.evaluate("window.isTheSame = true");
  await page.getByText(/^(\d) of \1 rows are settled/).waitFor({ timeout: 60_000 });
  await page.locator(".title .state").getByText("finished").waitFor({ timeout: 60_000 });
  assert.deepEqual([await page.evaluate("window.isTheSame"), await rows()], [true, before], "how far it is is told without a press, and no row changes");
  await page.reload();
  assert.equal(await page.locator("tbody .state.good").count(), 3);
  await page.goto(`${server}/console/batches`);
  await page.getByLabel("Ids of conversations").fill(`conversationId,label.shift\n${await conversation()},night\n`);
  await page.getByTestId("rows").getByRole("button", { name: "Preview" }).click();
  await page.waitForURL("**/console/batches/bt_*");
  await page.getByRole("heading", { name: "Close 1 session", exact: true }).waitFor();
  await page.goto(`${server}/console/batches`);
  await page.getByLabel("Open for at least").fill("1");
  await page.getByTestId("scan").getByRole("button", { name: "Look" }).click();
  await page.waitForURL("**/console/batches/bt_*");
  await page.goto(`${server}/console/closures?state=failed`);
  await page.context().close();
  said("a batch is shown, executed with its number and reason, and says as it goes on how far it is; a scan is begun");
}

/** A batch of which rows are still to be submitted, for as long as it takes to press. */
async function aBatchIsPausedResumedAndCalledOff() {
  const made = await ask(`${simulator}/_sim/conversations`, { count: 1_500 });
  const batch = await ask(`${server}/v1/batches`, made.conversations.map(({ conversationId }) => ({ conversationId })));
  const state = async () => (await ask(`${server}/v1/batches/${batch.id}`, undefined, "GET")).state;
  const page = await open();
  await logIn(page, `/console/batches/${batch.id}`);
  await page.getByLabel("Why; it becomes").fill("a test of steering");
  await page.getByRole("button", { name: "Close 1500 sessions" }).click();
  await page.waitForSelector(".told.good");
  await presses(page, "pause", "the queue is full");
  assert.equal(await state(), "paused");
  await judge(page, "a batch that is paused");
  await page.goto(server);
  assert.ok(await page.getByText(`The batch ${batch.id} is paused`).isVisible(), "it stands on the first page");
  await page.goto(`${server}/console/batches/${batch.id}`);
  await presses(page, "resume");
  assert.equal(await state(), "running");
  await presses(page, "cancel", "enough");
  assert.equal(await state(), "cancelled");
  const { items } = await ask(`${server}/v1/audit?subject=${batch.id}`, undefined, "GET");
  assert.deepEqual(items.map(one => [one.action, one.why]), [
    ["batch.cancel", "enough"], ["batch.resume", null], ["batch.pause", "the queue is full"], ["batch.execute", "a test of steering"],
  ]);
  await page.context().close();
  said("a batch is paused, resumed and called off, with why");
}

/** A closure that ended because an agent was there, and what is advised about it. */
async function aFailedClosureIsClosedAnew() {
  const conversationId = await conversation(["agent-connected"]);
  const failed = await ask(`${server}/v1/closures?wait=30s`, { conversationId });
  assert.deepEqual([failed.state, failed.reason], ["failed", "agent_connected"]);
  const page = await open();
  await logIn(page, `/console/closures/${failed.id}`);
  await judge(page, "a failed closure");
  await page.screenshot({ path: path.join(shots, "closure-failed.png"), fullPage: true });
  await page.getByRole("button", { name: "close anew with agentConnected=wait" }).click();
  await page.waitForSelector(".told.good");
  const anew = page.url().split("/").pop();
  assert.notEqual(anew, failed.id, "it leads to the new closure");
  const { conversationId: same, policy } = await ask(`${server}/v1/closures/${anew}`, undefined, "GET");
  assert.deepEqual([same, policy.agentConnected], [conversationId, "wait"]);
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("a closure that failed is closed anew with the policy that is advised");
}

async function aFilterThatIsNotKnownIsRefused() {
  const page = await open();
  await logIn(page, "/console/closures?label.team=nobody&state=ghost");
  assert.ok(await page.getByText("No closure matches.").isVisible());
  assert.equal(await page.getByLabel("label.team").inputValue(), "nobody");
  await page.goto(`${server}/console/closures?lable.team=nobody&state=ghost`);
  assert.ok(await page.getByRole("alert").isVisible());
  assert.equal(await page.getByRole("button", { name: "Preview a batch of all that match" }).count(), 0);
  page.wrong.length = 0;
  await judge(page, "a filter that is refused");
  for (const address of ["audit?actoin=closure.force", "deliveries?state=failed", "sources?state=held", "received?adapter=none", "audit?since=1h&since=2h"]) {
    await page.goto(`${server}/console/${address}`);
    assert.match(await page.getByRole("alert").textContent(), /nothing called|more than once/, address);
    page.wrong.length = 0;
  }
  await judge(page, "a page whose filter is refused");
  await page.context().close();
  said("a list keeps its labels, and refuses a filter that it does not know");
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
  const batchOfAll = async act => {
    await page.getByLabel("What to do").last().selectOption(act);
    await page.getByRole("button", { name: "Preview a batch of all that match" }).click();
    await page.waitForURL("**/console/batches/bt_*");
    return page.getByTestId("consequence").textContent();
  };
  assert.match(await batchOfAll("force"), /torn down with everybody in it, an agent included/);
  await judge(page, "a batch that forces");
  await page.screenshot({ path: path.join(shots, "batch-force.png"), fullPage: true });
  await page.goto(`${server}/console/closures?state=ghost&since=1h`);
  assert.match(await batchOfAll("resolve"), /Nothing is asked of Genesys/);
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
  const scope = page.getByTestId("scope");
  assert.ok((await scope.textContent()).includes(`All closures of main that matched when it was made: in the state ghost, in the queue ${one}.`), await scope.textContent());
  assert.ok((await page.getByTestId("execute").textContent()).includes(`in the queue ${one}`), "it is confirmed with its filter");
  await judge(page, "a batch of a filter");
  await page.screenshot({ path: path.join(shots, "batch-of-a-filter.png"), fullPage: true });
  assert.equal(await scope.getByRole("link").getAttribute("href"), `/console/closures?state=ghost&queueId=${one}&organisation=main`);
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

/** An event that nobody signed, and what an operator learns of it. */
async function whatIsRefusedSaysWhatItLacksAndWhereThatIsTold() {
  await ask(`${simulator}/_sim/trigger`, { conversationId: await conversation(), kind: "unsigned" });
  const page = await open();
  await logIn(page, "/console/received?result=refused");
  const row = page.getByTestId("received").locator("tbody tr").first();
  assert.match(await row.textContent(), /is missing; it looks for X-Hub-Signature-256/);
  await judge(page, "what was refused");
  await page.screenshot({ path: path.join(shots, "received-refused.png"), fullPage: true });
  await row.getByRole("link", { name: "What a hook takes" }).click();
  await page.waitForURL(`${server}/docs#post_hooks_name`);
  assert.ok(await page.locator("section:target").getByText("closeout hooks verify").isVisible());
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("what was refused says which header it lacks, and leads to what a hook takes");
}

async function callsAreStoppedAndLetGoOn() {
  const page = await open();
  await logIn(page, "/console/settings");
  await page.getByLabel("Why").fill("maintenance");
  await page.getByRole("button", { name: "Stop all calls" }).click();
  await page.waitForSelector(".told.good");
  await page.goto(server);
  assert.ok(await page.getByText("“maintenance”").isVisible(), "with why");
  await page.getByRole("link", { name: "are paused by dev" }).click();
  await page.getByRole("button", { name: "Let calls go on" }).click();
  await page.waitForSelector(".told.good");
  await page.context().close();
  said("all calls of an organisation are stopped, shown as that, and let go on");
}

/** So many changes as ten seconds have where 500 happen in each. How long they take is the machine's matter. */
const CHANGES = 10 * 500;

async function whatChangesTakesNothingAway() {
  const page = await open();
  await logIn(page, "/console/closures");
  await page.setViewportSize({ width: 1280, height: 360 });
  await page.locator("#source").fill("half a wo");
  const rows = () => page.locator("tr[data-row]").allTextContents();
  const before = await rows();
  await page.evaluate("document.querySelector('#source').setSelectionRange(2, 5); scrollTo(0, 120)");
  const kept = () => page.evaluate("[document.activeElement.id, document.activeElement.selectionStart, document.activeElement.selectionEnd, document.activeElement.value, scrollY]");
  const asLeft = ["source", 2, 5, "half a wo", 120];
  const made = await ask(`${simulator}/_sim/conversations`, { count: CHANGES / 4 });
  const wanted = made.conversations.map(one => one.conversationId);
  // Each version of a closure is a change of what the page shows.
  const begun = Date.now();
  let changes = 0;
  const one = async () => {
    for (let conversationId; changes < CHANGES && (conversationId = wanted.pop()); ) {
      const { version } = await ask(`${server}/v1/closures?wait=30s`, { conversationId });
      changes += version;
    }
  };
  const driven = Promise.all(Array.from({ length: 64 }, one));
  await until("half of it has changed", () => changes >= CHANGES / 2);
  assert.deepEqual(await kept(), asLeft, "in the midst of it focus, selection, text and scroll are as they were");
  await driven;
  const rate = Math.round((1_000 * changes) / (Date.now() - begun));
  assert.ok(changes >= CHANGES, `${changes} changes while the page was open`);
  await page.locator(".news").waitFor({ timeout: 60_000 });
  assert.match(await page.locator(".news").textContent(), /^\d+ changed/);
  assert.deepEqual(await rows(), before, "no row moved");
  assert.deepEqual(await kept(), asLeft, "focus, selection, text and scroll are as they were");
  await page.getByRole("link", { name: "Show" }).click();
  await until("the new rows are there", async () => (await rows()).length > 0 && (await rows())[0] !== before[0]);
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said(`${changes} changes, here ${rate} a second, are told and move nothing; they are shown when it is asked for`);
}

/** Rows that are chosen and where one is, while others come and go. */
async function whatIsShownAnewIsAsItWasLeft() {
  const [gone, one, two] = [await ghost(), await ghost(), await ghost()];
  const page = await open();
  await logIn(page, "/console/closures?state=ghost");
  const row = of => page.locator(`tr#${of.id}`);
  for (const of of [gone, one, two]) await row(of).getByRole("checkbox").check();
  await page.getByTestId("chosen").getByLabel("What to do").selectOption("resolve");
  await row(two).getByRole("link").focus();
  const focused = () => page.evaluate("document.activeElement.getAttribute('href') ?? document.activeElement.id");
  const chosen = () => page.locator("input[name=closure]:checked").evaluateAll(boxes => boxes.map(box => box.value));
  const shows = async () => {
    await page.locator(".news").waitFor();
    await page.getByRole("link", { name: "Show" }).click();
  };
  const came = await ghost();
  await shows();
  await row(came).waitFor();
  assert.deepEqual(await chosen(), [two.id, one.id, gone.id], "and not the one that came");
  assert.equal(await page.getByTestId("chosen").getByRole("button").textContent(), "Preview for the 3 chosen");
  assert.equal(await page.getByTestId("chosen").getByLabel("What to do").inputValue(), "resolve");
  assert.equal(await focused(), `/console/closures/${two.id}`);
  await page.keyboard.press("j");
  assert.equal(await focused(), `/console/closures/${one.id}`, "keys go on from there");
  await row(gone).getByRole("checkbox").focus();
  await ask(`${server}/v1/closures/${gone.id}/cancel`, { reason: "a test" });
  await shows();
  await row(gone).waitFor({ state: "detached" });
  assert.deepEqual(await chosen(), [two.id, one.id]);
  assert.equal(await focused(), "main", "of a row that is gone, the page has the focus");
  await page.goto(`${server}/console/closures`);
  await page.goto(`${server}/console/closures?state=ghost`);
  assert.deepEqual(await chosen(), [], "who comes from elsewhere begins anew");
  assert.deepEqual(page.wrong, []);
  await page.context().close();
  said("what is shown anew keeps the rows that are chosen, the fields and the focus");
}

async function withoutScriptsItWorksToo(stuck) {
  const page = await open({ scripts: false });
  await logIn(page, `/console/closures?q=${stuck.conversationId}`);
  await page.getByRole("link", { name: stuck.conversationId }).click();
  await act(page, "comment").getByRole("textbox").fill("no script was needed");
  await act(page, "comment").getByRole("button").click();
  assert.ok((await page.locator(".story").textContent()).includes("no script was needed"));
  const other = await ghost();
  await page.goto(`${server}/console/closures/${other.id}`);
  await page.getByRole("link", { name: "force …" }).click();
  await presses(page, "force", "the guest asked for it");
  assert.ok(page.url().endsWith(other.id), "back at the closure");
  await until("it is closed", async () => (await stateOf(other.id)) === "closed");
  await page.locator(".who summary").click();
  for (const name of ["Times", "Look"]) assert.equal(await page.locator(".tastes").getByLabel(name).isVisible(), false, `${name} would do nothing`);
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
  await aLookThatIsWantedIsThereFromTheFirstMoment();
  await aStuckSessionIsFoundByWhateverIdSomebodyHas(ghosts[3]);
  await aStuckSessionIsFoundUnderstoodAndFixedByKeyboard(ghosts[4]);
  await everyActOnAGhostWorks(ghosts);
  await aGhostIsReadAndBegunAgain();
  await withoutScriptsItWorksToo(ghosts[3]);
  await aBatchIsShownBeforeItRuns();
  await aBatchIsPausedResumedAndCalledOff();
  await aFailedClosureIsClosedAnew();
  await aFilterThatIsNotKnownIsRefused();
  await manyAreActedOnAtOnce();
  await ghostsAreFoundByTheirQueue();
  await whatIsRefusedSaysWhatItLacksAndWhereThatIsTold();
  await callsAreStoppedAndLetGoOn();
  await whatIsShownAnewIsAsItWasLeft();
  await whatChangesTakesNothingAway();
} finally {
  await close();
}
