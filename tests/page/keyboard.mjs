// With the keyboard alone: everything can be reached, in the order of the page, and one sees where one is.
import { assert, done, isLive, open, until, withBrowser } from "./page.mjs";

const [url] = process.argv.slice(2);

await withBrowser(async (browser) => {
  const { page, complaints } = await open(browser, url);
  await isLive(page);
  await page.locator("tbody tr").nth(2).waitFor();
  const here = () => page.evaluate(() => {
    const { activeElement: at } = document;
    const style = getComputedStyle(at);
    return { tag: at.tagName, text: (at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent).trim(), seen: style.outlineStyle !== "none" && at.getClientRects().length > 0 };
  });
  const walk = [];
  for (let n = 0; n < 60; n += 1) {
    await page.keyboard.press("Tab");
    const at = await here();
    if (at.tag === "BODY" || walk.some(({ tag, text }) => tag === at.tag && text === at.text)) break;
    assert(at.seen, `one sees where one is: ${JSON.stringify(at)}`);
    assert(at.text, `it has a name: ${JSON.stringify(at)}`);
    walk.push(at);
  }
  const names = walk.map(({ text }) => text);
  console.log(`by Tab: ${names.join(" | ")}`);
  const order = ["Skip to the content", "Pause", "Open in Perfetto", "Dark", "Kernels", "Blocks", "Events", "Alerts", "Machine", "Telemetry", "Filter", "Kernel", "attention", "ffn", "tokenize"];
  let last = -1;
  for (const name of order) {
    const at = names.findIndex((known, index) => index > last && known.startsWith(name));
    assert(at > last, `${name} comes in its place in ${JSON.stringify(names)}`);
    last = at;
  }

  // To the content, past all of that.
  await page.evaluate(() => { document.activeElement.blur(); window.getSelection().removeAllRanges(); });
  await page.locator("#skip").focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.keyboard.press("Tab");
  assert.equal((await here()).text, "Filter");

  // A head is a button that sorts; who sorts stays where they are while rows move.
  await page.getByRole("button", { name: "Failed" }).focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("th[aria-sort]").getAttribute("aria-sort"), "descending");
  await page.keyboard.press("Space");
  assert.equal(await page.locator("th[aria-sort]").getAttribute("aria-sort"), "ascending");
  assert.match((await here()).text, /^Failed/);
  const link = page.getByRole("link", { name: "ffn" });
  await link.focus();
  const frames = await page.evaluate(() => performance.now());
  await until("some frames have come", async () => (await page.evaluate(() => performance.now())) > frames + 1000);
  assert.equal((await here()).text, "ffn");

  // Into a view, and the focus is in it.
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 2, name: "ffn" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  // What is behind a chart opens by the keyboard.
  const summary = page.locator("summary").first();
  await summary.focus();
  await page.keyboard.press("Enter");
  await page.locator("details[open] tbody tr").first().waitFor();

  // Pause: nothing moves; and on again.
  await page.locator("#pause").focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "true");
  await page.locator("#status", { hasText: "paused at" }).waitFor();
  const still = await page.locator("details[open] tbody tr").count();
  const later = await page.evaluate(() => performance.now());
  await until("time goes by", async () => (await page.evaluate(() => performance.now())) > later + 1000);
  assert.equal(await page.locator("details[open] tbody tr").count(), still);
  await page.keyboard.press("Enter");
  await isLive(page);
  assert.deepEqual(complaints, []);
});
done();
