// Kernels, events and labels may be called anything: it is shown as it is, and does nothing.
import { assert, done, go, isLive, open, until, withBrowser } from "./page.mjs";

const [url, ...names] = process.argv.slice(2);

await withBrowser(async (browser) => {
  const { page, complaints, requests } = await open(browser, url, { viewport: { width: 360, height: 700 } });
  await isLive(page);
  const shown = () => page.locator("tbody th").evaluateAll((cells) => cells.map(({ textContent }) => textContent));
  await until("all names are there", async () => (await shown()).length === names.length);
  assert.deepEqual((await shown()).sort(), [...names].sort());
  for (const name of names) {
    await go(page, "kernels");
    await page.locator("tbody th a").first().waitFor();
    await page.locator("tbody th a").evaluateAll((links, name) => links.find(({ textContent }) => textContent === name).click(), name);
    await until(`${name} has a page`, async () => (await page.locator("main h2").textContent()) === name);
    await until(`${name} has facts`, async () => (await page.locator(".facts dd[data-value]").count()) > 3);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(wide <= 360, `${name}: ${wide}`);
  }
  await go(page, "events");
  await until("they are in the log", async () => (await page.locator("tbody tr").count()) >= names.length);
  assert.equal(await page.evaluate(() => window.hit), undefined);
  assert.equal(await page.locator("main img, main script, main svg, main iframe").count(), 0);
  assert.deepEqual([...new Set(requests.map((one) => new URL(one).origin))], [new URL(url).origin]);
  assert.deepEqual(complaints, []);
});
done();
