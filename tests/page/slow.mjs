// A page that is slower than the telemetry loses frames, and says so.
import { assert, done, isLive, open, until, withBrowser } from "./page.mjs";

const [url] = process.argv.slice(2);

await withBrowser(async (browser) => {
  const { page, complaints } = await open(browser, url);
  await isLive(page);
  // On a busy machine it may have lost some already.
  const before = await page.locator("#lost").textContent();
  await until("it has lost frames", async () => {
    await page.evaluate(() => { const end = performance.now() + 3000; while (performance.now() < end); });
    const text = await page.locator("#lost").textContent();
    return text !== before && /^[\d,.]+ ?[kM]? frames lost: this page was slower than the telemetry$/.test(text);
  });
  assert.deepEqual(complaints, []);
});
done();
