import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "playwright",
  forbidOnly: true,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  use: {
    // Debian's Chromium: nothing is downloaded. Playwright starts it without its sandbox, so root may run it.
    launchOptions: { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium" },
    screenshot: "on",
  },
});
