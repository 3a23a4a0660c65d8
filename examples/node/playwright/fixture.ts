/**
 * For end-to-end tests with a guest in a chat: `closeSession` closes the session as a backend does, and
 * `expectGuestDisconnected` sees the guest's page change.
 *
 *   import { test } from "./fixture.js";
 *
 *   test("the guest sees the end", async ({ page, closeSession, expectGuestDisconnected }) => {
 *     …
 *     await closeSession(conversationId);
 *     await expectGuestDisconnected(page);
 *   });
 */

import { test as base, expect, type Locator, type Page } from "@playwright/test";
import { Closeout, inWords, type Closure, type CloseRequest } from "../closeout.js";

interface Fixtures {
  /** Closes the session, and fails the test unless it is proven closed. No wrap-up code, no version, no sleep is needed. */
  closeSession: (conversationId: string, how?: Omit<CloseRequest, "conversationId">) => Promise<Closure>;
  /** Waits until the page says `disconnected`. `where` is the place that says so: the simulator's page has one of its own. */
  expectGuestDisconnected: (page: Page, how?: { where?: Locator; timeout?: number }) => Promise<void>;
}

export const test = base.extend<Fixtures>({
  closeSession: async ({}, use) => {
    const closeout = Closeout.fromEnvironment();
    await use(async (conversationId, how = {}) => {
      const closure = await closeout.close(
        { reason: "end-to-end test", ...how, conversationId },
        { waitSeconds: 20 },
      );
      expect(["closed", "already_closed"], inWords(closure)).toContain(closure.state);
      return closure;
    });
  },

  expectGuestDisconnected: async ({}, use) => {
    await use(async (page, { where = page.getByTestId("guest-state"), timeout = 10_000 } = {}) => {
      await expect(where, "the guest's page").toHaveText("disconnected", { timeout });
    });
  },
});

export { expect };
