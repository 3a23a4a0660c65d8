// The console as somebody meets it who has nothing else: what a page shows can be asked for, and what it says can be pressed.
//
// Usage: node reading.mjs FOLDER, the folder with node/node_modules; with CHROMIUM and what `closeout dev` prints.

import assert from "node:assert/strict";
import { asking, browsing, said } from "./browsing.mjs";

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

try {
  await whatThePageShowsCanBeAskedFor();
} finally {
  await close();
}
