// Of several devices the table and each kernel's page say on which it runs.
import { assert, done, go, isLive, open, until, withBrowser } from "./page.mjs";

const [url, ...kernels] = process.argv.slice(2);

await withBrowser(async (browser) => {
  const { page, complaints } = await open(browser, url);
  await isLive(page);
  const shown = page.getByRole("columnheader", { name: "Device" });
  await until("there is a column of devices", async () => (await shown.count()) === 1);
  const cell = (id) => page.getByRole("row").filter({ has: page.getByRole("link", { name: id, exact: true }) }).getByRole("cell").first().textContent();
  for (const kernel of kernels) {
    const [id, device] = kernel.split("=");
    assert.equal(await cell(id), device);
  }
  await page.getByRole("button", { name: "Device" }).click();
  assert.equal(await page.locator("th[aria-sort=ascending]").textContent(), "Device");
  const [id, device] = kernels[0].split("=");
  await go(page, `kernel/${id}`);
  const fact = page.locator(".facts > div").filter({ has: page.locator("dt", { hasText: /^Device$/ }) }).locator("dd");
  await until("its page says it", async () => (await fact.count()) === 1 && (await fact.textContent()) === device);
  assert.deepEqual(complaints, []);
});
done();
