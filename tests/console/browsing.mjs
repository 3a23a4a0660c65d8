// What the walks through the console have in common: a browser, a log-in, and the judges of a page.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const folder = path.resolve(process.argv[2]);
const require = createRequire(path.join(folder, "node", "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const shots = path.join(folder, "shots");
mkdirSync(shots, { recursive: true });

export const said = name => console.log(`ok  Console: ${name}`);

/** Waits until it holds. A busy machine is slow; what never holds is a failure. */
export async function until(what, holds) {
  for (const begun = Date.now(); Date.now() - begun < 60_000; ) {
    if (await holds()) return;
    await new Promise(done => setTimeout(done, 100));
  }
  assert.fail(`${what}: not within a minute`);
}

/** Asks an interface with a key. */
export function asking(key) {
  return async (url, body, method = "POST") => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
    assert.ok(answer.ok, `${url}: ${answer.status} ${await answer.clone().text()}`);
    return answer.json();
  };
}

/** A browser that visits the console of one service. */
export async function browsing(server, key) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });

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

  return { open, logIn, close: () => browser.close() };
}

/** Judges a page: by axe, by its width, by what the browser complains of, and for buttons that say nothing. */
export async function judge(page, name) {
  // Playwright evaluates outside the page's own policy, so the judge needs no hole in it.
  await page.evaluate(axe);
  const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  const found = violations.map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 160)).join(" | ")}`);
  assert.deepEqual(found, [], `axe on ${name}`);
  const wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
  const twice = await page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id).filter((id, at, all) => all.indexOf(id) !== at)");
  assert.deepEqual(twice, [], `ids that ${name} has twice`);
  assert.equal(await page.getByRole("button", { name: /^[–—-]?$/ }).count(), 0, `${name} has a button that says nothing`);
  assert.deepEqual(page.wrong, [], `the browser complains of ${name}`);
}

/** What stands in a table at the width of a phone: nothing of it is beside the screen, and it is a table still for whoever hears it. */
export async function everyRowIsACard(page, name) {
  const wide = await page.evaluate("[...document.querySelectorAll('td, th[scope=row]')].filter(one => one.getBoundingClientRect().right > innerWidth).map(one => one.textContent)");
  assert.deepEqual(wide, [], `beside the screen: ${name}`);
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const heard = wanted => nodes.filter(node => !node.ignored && wanted.includes(node.role?.value)).length;
  const shown = await page.evaluate("[...document.querySelectorAll('tbody :is(td, th)')].filter(one => one.checkVisibility()).length");
  assert.equal(heard(["cell", "gridcell", "rowheader"]), shown, `every cell is heard as one: ${name}`);
  assert.equal(heard(["row"]), await page.locator("tr").count(), `and every row: ${name}`);
}

export const act = (page, name) => page.getByTestId(`act-${name}`);

/** Acts, and waits until that is told. A closure that was changed after the page was made is at another version: then the act is refused,
 *  the page shows how it stands now, and a person acts again. */
export async function isDone(page, acts) {
  await acts();
  await page.waitForSelector(".told");
  if (await page.locator(".told.bad").filter({ hasText: "The closure is at version" }).count()) await acts();
  await page.waitForSelector(".told.good");
}

/** Presses what stands in a form, with a reason. */
export const presses = (page, name, reason) =>
  isDone(page, async () => {
    const form = act(page, name);
    if (reason) await form.getByLabel("Why").fill(reason);
    await form.getByRole("button").click();
  });
