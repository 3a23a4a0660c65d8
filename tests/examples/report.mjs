// Opens the ghost report in Chromium: every ghost is there with its timeline, nothing is fetched, nothing is complained of.
//
// Usage: node report.mjs FOLDER, the folder with node_modules; with CLOSEOUT_BIN, CHROMIUM and what `closeout dev` prints.
// Screenshots go to FOLDER/report.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const folder = path.resolve(process.argv[2]);
const { chromium } = createRequire(path.join(folder, "package.json"))("@playwright/test");
const { CLOSEOUT_BIN: closeout, CLOSEOUT_SERVER: server, CLOSEOUT_TOKEN: key, CLOSEOUT_SIM: simulator } = process.env;
const shots = path.join(folder, "report");
mkdirSync(shots, { recursive: true });

async function ask(url, body) {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${url}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

const policy = { evidence: "webhook_only", deadline: "PT1S" };
for (const presets of [["lost-webhook"], ["lost-webhook"]]) {
  const { conversationId } = await ask(`${simulator}/_sim/conversations`, { presets });
  const closure = await ask(`${server}/v1/closures?wait=20s`, { conversationId, policy, reason: "<b>bold</b>" });
  assert.equal(closure.state, "ghost", JSON.stringify(closure));
}

const run = (...rest) => execFileSync(closeout, ["ghosts", "report", ...rest], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const file = path.join(shots, "ghosts.html");
run("--file", file);
const data = JSON.parse(run("-o", "json"));
assert.ok(data.total >= 2 && data.ghosts.every(one => one.timeline.length > 0 && one.explanation.headline), "the data");
assert.equal(run("-o", "csv").trim().split("\n").length, data.total + 1);
assert.ok(!readFileSync(file, "utf8").includes("<script"));

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
try {
  for (const [name, width, colorScheme] of [["desktop", 1280, "light"], ["phone", 390, "dark"]]) {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const wrong = [];
    page.on("console", message => wrong.push(message.text()));
    page.on("pageerror", error => wrong.push(String(error)));
    page.on("request", request => request.url().startsWith("file:") || wrong.push(request.url()));
    await page.goto(`file://${file}`);
    assert.match(await page.title(), new RegExp(`^${data.total} ghosts`));
    assert.equal(await page.locator("article").count(), data.total);
    for (const { ghost } of data.ghosts) {
      const article = page.locator(`article#${ghost.id}`);
      assert.ok(await article.getByText(ghost.conversationId, { exact: true }).isVisible());
      assert.ok(await article.locator("svg g").count() >= 3, "marks on the timeline");
      for (const { command } of ghost.ghost.suggested.filter(advice => advice.command)) {
        assert.ok(await article.getByText(command, { exact: true }).isVisible(), command);
      }
    }
    assert.equal(await page.locator("b").count(), 0, "what a producer wrote is text");
    const wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert.equal(wide, 0, `${name}: the page scrolls sideways`);
    await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
    assert.deepEqual(wrong, []);
    await page.close();
    console.log(`ok  Report: opened in Chromium, ${name}, ${colorScheme}`);
  }
} finally {
  await browser.close();
}
