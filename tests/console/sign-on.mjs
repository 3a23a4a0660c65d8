// Log-in to the console by a provider of OpenID Connect, as people meet it.
//
// Usage: node sign-on.mjs FOLDER, the folder with node/node_modules; with CHROMIUM, CLOSEOUT_SERVER, PROVIDER, and CLIENT_SECRET and
// SERVICE_LOG, to look that the secret stands in no log; CLOSEOUT_BIN and CONFIGURATION for what the doctor says of it all.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const folder = path.resolve(process.argv[2]);
const require = createRequire(path.join(folder, "node", "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const { CLOSEOUT_SERVER: server, PROVIDER: provider, CLIENT_SECRET: secret, SERVICE_LOG: log, CHROMIUM, CLOSEOUT_BIN: program, CONFIGURATION: configuration } = process.env;
const shots = path.join(folder, "shots");
mkdirSync(shots, { recursive: true });

const said = name => console.log(`ok  Single sign-on: ${name}`);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });

/** A page of a new browser profile. What the browser complains of stands in `wrong`, how it came back from the provider in `back`. */
async function open({ width = 1280, theme = "light", scripts = true } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme, javaScriptEnabled: scripts });
  const page = await context.newPage();
  page.wrong = [];
  page.on("console", message => {
    // The provider's pages are its own affair.
    const ours = !message.location().url.startsWith(provider);
    if (ours && ["error", "warning"].includes(message.type())) page.wrong.push(message.text());
  });
  page.on("request", request => {
    const url = request.url();
    if (![server, provider, "data:"].some(known => url.startsWith(known))) page.wrong.push(url);
    if (url.startsWith(`${server}/console/login/oidc/back`)) page.back = url;
  });
  return page;
}

async function judge(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  assert.deepEqual(violations.map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 160)).join(" | ")}`), [], `axe on ${name}`);
  const wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
  await page.screenshot({ path: path.join(shots, `${name}.png`) });
}

/** Presses the button, and tells the provider who it is. */
async function comeBy(page, name, to = "/") {
  await page.goto(server + to);
  await page.getByRole("link", { name: "Log in with the staff account" }).click();
  await page.waitForURL(`${provider}/interaction/**`);
  await page.getByLabel("Name").fill(name);
  await page.getByRole("button", { name: "Go on" }).click();
}

/** What is shown where nobody was let in: one sentence, with both ways in below it. */
async function refusal(page) {
  await page.getByLabel("Key").waitFor();
  const sentence = await page.getByRole("alert").textContent();
  await page.goto(`${server}/console/closures`);
  assert.match(page.url(), /\/console\/login\?/, "nobody is logged in");
  return sentence;
}

async function anOperatorComesActsAndLeaves() {
  const page = await open();
  await comeBy(page, "olga", "/console/closures?state=ghost");
  await page.waitForURL(`${server}/console/closures?state=ghost`);
  const cookies = await page.context().cookies(server);
  const session = cookies.find(one => one.name === `closeout-${new URL(server).port}`);
  assert.deepEqual([session.httpOnly, session.sameSite, cookies.some(one => one.name.endsWith("-login"))], [true, "Lax", false]);
  await page.goto(`${server}/console/settings`);
  await page.getByLabel("Why").fill("maintenance");
  await page.getByRole("button", { name: "Stop all calls" }).click();
  await page.waitForSelector(".told.good");
  await page.goto(`${server}/console/audit`);
  const told = await page.getByTestId("audit").textContent();
  for (const part of ["oidc:olga", "operate", "outgoing.pause", "maintenance"]) assert.ok(told.includes(part), `${part}: ${told}`);
  assert.deepEqual(page.wrong, []);

  // Whoever sees the address by which somebody came back can do nothing with it.
  const other = await open();
  await other.goto(page.back);
  assert.match(await refusal(other), /not begun in this browser/);
  await other.context().close();

  await page.locator(".who summary").click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.waitForURL(`${provider}/session/end**`);
  await page.getByRole("button", { name: /sign me out/ }).click();
  await page.waitForURL(`${server}/console/login**`);
  assert.deepEqual(page.wrong, [], "no policy stands in the way");
  await page.context().addCookies([session]);
  await page.goto(`${server}/console/closures`);
  assert.match(page.url(), /\/console\/login\?/, "the session is over here");
  await page.getByRole("link", { name: "Log in with the staff account" }).click();
  await page.getByLabel("Name").waitFor();
  await page.context().close();
  said("an operator comes back to what was wanted, acts under that name, and is logged out here and at the provider");
}

async function aViewerOnlyLooksWithoutScriptsToo() {
  const page = await open({ scripts: false });
  await comeBy(page, "vera", "/console/settings");
  await page.waitForURL(`${server}/console/settings`);
  assert.ok((await page.locator(".who").textContent()).includes("oidc:vera, read"));
  assert.equal(await page.getByRole("button", { name: /all calls/ }).count(), 0, "nothing to press");
  await page.locator(".who summary").click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("button", { name: /sign me out/ }).click();
  await page.waitForURL(`${server}/console/login**`);
  await page.context().close();
  said("a viewer only looks; without scripts, in and out");
}

async function whomNothingIsGrantedIsToldSo() {
  for (const [size, width] of [["desktop", 1280], ["phone", 390]]) {
    for (const theme of ["light", "dark"]) {
      const page = await open({ width, theme });
      await page.goto(`${server}/console/login`);
      await judge(page, `sign-on-${size}-${theme}`);
      if (size === "desktop" && theme === "light") {
        await comeBy(page, "uwe");
        await page.getByRole("alert").waitFor();
        await judge(page, "sign-on-refused");
        assert.match(await refusal(page), /nothing that it says of you opens this console/);
      }
      await page.context().close();
    }
  }
  const page = await open();
  await page.goto(server);
  await page.getByRole("link", { name: "Log in with the staff account" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  const sentence = await refusal(page);
  assert.ok(/called it off/.test(sentence) && !sentence.includes("by the person"), sentence);
  await page.context().close();
  said("whom nothing is granted, and who calls it off, is told so in a sentence; axe has nothing to say");
}

function theLogSaysWhyAndNoSecret() {
  const lines = readFileSync(log, "utf8");
  for (const part of ["[console.oidc.grant]", "called off by the person", "logged in to the console", 'by="oidc:olga"', 'subject="olga"']) assert.ok(lines.includes(part), `${part}: ${lines}`);
  for (const part of [secret, "eyJ", "uwe"]) assert.ok(!lines.includes(part), `${part} stands in the log`);
  said("the log says who and why, and holds no secret, no token and nobody who was refused");
}

function theDoctorSaysWhetherTheProviderKnowsTheService() {
  const asks = (flags, changed = {}) => {
    const { stdout } = spawnSync(program, ["doctor", ...flags, "--config", configuration, "-o", "ndjson"], { encoding: "utf8", env: { ...process.env, ...changed } });
    const checks = stdout.trim().split("\n").map(line => JSON.parse(line)).filter(one => one.check === "sign-on");
    assert.ok(!stdout.includes(secret), "no secret is printed");
    return checks.map(one => `${one.result} ${one.exit ?? 0} ${one.what}`);
  };
  assert.match(asks([])[0], /^not_checked 0 .* was not asked/);
  const [known, ...more] = asks(["--online"]);
  assert.match(known, /^ok 0 .* knows this service as its client, and publishes 1 key/);
  assert.deepEqual(more, []);
  assert.match(asks(["--online"], { CLIENT_SECRET: "of somebody else, and long enough" })[0], /^wrong 4 .* invalid_client/);
  const elsewhere = provider.replace("127.0.0.1", "localhost");
  assert.match(asks(["--online"], { CLOSEOUT_CONSOLE__OIDC__ISSUER: elsewhere })[0], /^wrong 10 .* letter by letter/);
  said("the doctor says whether the provider answers, has keys and knows the client");
}

try {
  await anOperatorComesActsAndLeaves();
  await aViewerOnlyLooksWithoutScriptsToo();
  await whomNothingIsGrantedIsToldSo();
  theLogSaysWhyAndNoSecret();
  theDoctorSaysWhetherTheProviderKnowsTheService();
} finally {
  await browser.close();
}
