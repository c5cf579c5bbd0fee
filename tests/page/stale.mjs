// A server that goes away: what is shown is shown as stale, and the page connects again by itself.
import { ask, assert, done, isLive, open, until, withBrowser } from "./page.mjs";

const [url] = process.argv.slice(2);

await withBrowser(async (browser) => {
  const { page } = await open(browser, url);
  await isLive(page);
  await page.locator("tbody tr").first().waitFor();
  const rows = await page.locator("tbody tr").count();
  assert.equal(await ask("kill"), "killed");
  await page.locator("#status", { hasText: /stale since \d\d:\d\d:\d\d/ }).waitFor();
  assert.equal(await page.locator("tbody tr").count(), rows, "what was known is still there");
  assert.equal(await ask("start"), "started");
  await isLive(page);
  await until("it goes on", async () => (await page.locator("#status").textContent()) === "live");
});
done();
