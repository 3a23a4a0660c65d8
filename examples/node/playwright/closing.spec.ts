/** What the guest sees while a backend closes the session. The page is the simulator's: `closeout dev` prints its address. */

import type { Page } from "@playwright/test";
import { expect, test } from "./fixture.js";

const simulator = process.env.CLOSEOUT_SIM ?? "http://127.0.0.1:8081";

test("the guest's page shows the end, without a reload", async ({ page, closeSession, expectGuestDisconnected }) => {
  const conversationId = await newGuest();
  await openChat(page, conversationId);
  await page.getByLabel("Your message").fill("Is my order on its way?");
  await page.getByRole("button", { name: "Send" }).click();
  await expect(page.getByText("Is my order on its way?")).toBeVisible();
  const loads = loadsOf(page);

  await closeSession(conversationId);

  await expectGuestDisconnected(page);
  expect(loads.count, "loads of the page").toBe(0);
});

test("it shows the end when every event is lost, too", async ({ page, closeSession, expectGuestDisconnected }) => {
  const conversationId = await newGuest({ presets: ["lost-webhook"] });
  await openChat(page, conversationId);
  const loads = loadsOf(page);

  const closure = await closeSession(conversationId);

  await expectGuestDisconnected(page);
  expect(loads.count, "loads of the page").toBe(0);
  expect(closure.state === "closed" && closure.confirmedBy?.kind).toBe("read-back");
});

test("a guest whom nobody closes stays connected", async ({ page, closeSession, expectGuestDisconnected }) => {
  const [one, other] = [await newGuest(), await newGuest()];
  await openChat(page, one);

  await closeSession(other);

  await expect(expectGuestDisconnected(page, { timeout: 1_500 })).rejects.toThrow(/toHaveText/);
  await expect(page.getByTestId("guest-state")).toHaveText("connected");
});

/** Makes a guest in the simulated Genesys. */
async function newGuest(like: object = {}): Promise<string> {
  const answer = await fetch(`${simulator}/_sim/conversations`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(like),
  });
  expect(answer.status).toBe(201);
  const made = (await answer.json()) as { conversationId: string };
  return made.conversationId;
}

async function openChat(page: Page, conversationId: string): Promise<void> {
  await page.goto(`${simulator}/_sim/guest/${conversationId}`);
  await expect(page.getByTestId("guest-state")).toHaveText("connected");
}

/** Counts the loads from here on. */
function loadsOf(page: Page): { count: number } {
  const loads = { count: 0 };
  page.on("load", () => loads.count++);
  return loads;
}
