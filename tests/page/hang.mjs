// A hang is an island on the map of the blocks, and is told in a sentence, once aloud.
import { ask, assert, done, go, isLive, open, until, withBrowser } from "./page.mjs";

const [url, first, blocks, all] = process.argv.slice(2);
const island = Array.from({ length: Number(blocks) }, (_, n) => Number(first) + n);

await withBrowser(async (browser) => {
  const { page, complaints } = await open(browser, url);
  await isLive(page);
  assert.equal(await page.locator("#notice").isVisible(), false);
  assert.equal(await page.locator("#aloud").textContent(), "");
  assert.equal(await ask("hang"), "it hangs");

  // Wherever one looks, it is said; and what a screen reader says does not change with each second.
  const notice = page.locator("#notice li.hang", { hasText: "attention hangs" });
  await notice.waitFor();
  // It may begin with some of the blocks.
  const whole = /^attention hangs since .*: .*blocks? .*"compute".*"wait_barrier": resource 3, expected 6, seen 5/;
  await until("the whole sentence", async () => whole.test(await notice.textContent()));
  const aloud = await page.locator("#aloud").textContent();
  // That it hangs, and the alert, if that is told after it.
  assert.match(aloud, /hangs/);
  assert.equal(await page.locator("#aloud").getAttribute("aria-live"), "polite");
  const sentence = await notice.textContent();
  await until("the sentence goes on", async () => (await notice.textContent()) !== sentence);
  assert.match(await page.locator("#aloud").textContent(), /hangs/);

  await notice.getByRole("link", { name: "attention" }).click();
  let cells;
  await until("an island: neighbours, and nobody else", async () => {
    cells = await page.locator(".grid .cell").evaluateAll((all) => all.map((cell) => [cell.className.includes("silent"), cell.getAttribute("aria-label")]));
    return cells.flatMap(([silent], at) => (silent ? [at] : [])).join() === island.join();
  });
  assert.equal(cells.length, Number(all));
  assert.match(cells[island[0]][1], /^Block 41, SM \d+: wait_barrier, waits for resource 3, expected 6, seen 5, silent for too long$/);
  assert.match(cells[island[1]][1], /^Block 42, SM \d+: compute, silent for too long$/);

  // With the arrow keys from block to block; only one is in the order of Tab.
  assert.equal(await page.locator(".grid [tabindex='0']").count(), 1);
  await page.locator(".grid [tabindex='0']").focus();
  for (let n = 0; n < island[0]; n += 1) await page.keyboard.press("ArrowRight");
  assert.match(await page.locator(":focus").getAttribute("aria-label"), /^Block 41,/);
  assert.match(await page.locator(".sentence").textContent(), /Block 41 is at “wait_barrier” for .* silent/);
  assert.match(await page.locator(".detail").textContent(), /resource 3, expected 6, seen 5/);
  await page.keyboard.press("ArrowUp");
  const above = await page.locator(":focus").getAttribute("aria-label");
  await page.keyboard.press("ArrowDown");
  assert.match(await page.locator(":focus").getAttribute("aria-label"), /^Block 41,/);
  assert.doesNotMatch(above, /^Block 41,/);
  await page.keyboard.press("Control+Home");
  assert.match(await page.locator(":focus").getAttribute("aria-label"), /^Block 0,/);
  await page.keyboard.press("Control+End");
  assert.match(await page.locator(":focus").getAttribute("aria-label"), /^Block 63,/);
  assert.equal(await page.locator(".grid [tabindex='0']").count(), 1);
  // And by pointing.
  await page.locator(".grid .cell").nth(island[2]).hover();
  await page.locator(".sentence", { hasText: "Block 43 is at “compute”" }).waitFor();
  assert.match(await page.locator(".report").textContent(), /^attention hangs since/);

  // The state, the alert and the line of the log.
  await go(page, "kernels");
  await page.locator("tbody tr", { hasText: "attention" }).getByText("stalled").waitFor();
  await go(page, "alerts");
  const alert = page.locator("tbody tr", { hasText: "kernel_hangs" });
  assert.match(await alert.textContent(), /firing.*critical.*a kernel hangs.*kernel=attention/);
  assert.equal(await page.locator(".rules li").count(), 2);
  await go(page, "events");
  await page.locator("tbody tr", { hasText: "attention" }).getByText("stalled:").first().waitFor();

  assert.equal(await ask("release"), "it goes on");
  await until("all is well again", async () => !(await page.locator("#notice").isVisible()));
  assert.equal(await page.locator("#aloud").textContent(), "No kernel hangs, and no alert is firing any more.");
  assert.deepEqual(complaints, []);
});
done();
