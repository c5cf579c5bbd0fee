// What the scripts share: a browser, a page whose every complaint and every request is kept, and checks.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const drivers = createRequire(`${process.env.RINGSCOPE_BROWSER_DRIVERS}/x.js`);
export const { chromium } = drivers("playwright-core");
export const axe = drivers.resolve("axe-core/axe.min.js");
export { assert };

// Far more than anything here takes.
export const PATIENCE = 120_000;
export const VIEWS = ["kernels", "kernel/attention", "blocks/attention", "events", "alerts", "machine", "telemetry"];

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

// Runs `body` with a browser, which is closed whatever happens. The browser's own folder is new each time.
export async function withBrowser(body) {
  const browser = await chromium.launch({ executablePath: process.env.RINGSCOPE_BROWSER, args: FLAGS, timeout: PATIENCE });
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}

// Opens a page; `complaints` are errors of every kind, `requests` what it asked for.
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "dark", ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const [complaints, requests] = [[], []];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error.stack)));
  page.on("dialog", (dialog) => { complaints.push(`a dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(url);
  return { context, page, complaints, requests };
}

export async function isLive(page) {
  await page.locator("#status[data-status=live]").waitFor();
}

// Moves on within the page.
export async function go(page, view) {
  await page.evaluate((to) => { location.hash = to; }, `#/${view}`);
}

// Waits until `look` returns something that counts as true.
export async function until(what, look) {
  const begun = Date.now();
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert(Date.now() - begun < PATIENCE, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Asks the test for something, and returns its answer.
export async function ask(what) {
  console.log(`> ${what}`);
  return (await lines.next()).value;
}

export function done() {
  process.stdin.destroy();
}
