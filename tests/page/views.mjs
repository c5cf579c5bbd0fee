// Every view, narrow and wide, dark and light: nothing is wider than the page, and axe-core finds nothing.
import { readFileSync } from "node:fs";
import { assert, axe, done, go, isLive, open, until, VIEWS, withBrowser } from "./page.mjs";

const [url] = process.argv.slice(2);
// Not as an element: the page's policy forbids it.
const axeCode = readFileSync(axe, "utf8");
const TITLES = { kernels: "Kernels", "kernel/attention": "attention", "blocks/attention": "Blocks", events: "Events", alerts: "Alerts", machine: "Machine", telemetry: "Telemetry itself" };

await withBrowser(async (browser) => {
  let checks = 0;
  for (const colorScheme of ["dark", "light"]) {
    for (const width of [360, 1600]) {
      const { context, page, complaints } = await open(browser, url, { colorScheme, viewport: { width, height: 800 } });
      await isLive(page);
      await page.evaluate(axeCode);
      for (const view of VIEWS) {
        await go(page, view);
        await page.getByRole("heading", { level: 2, name: TITLES[view], exact: true }).waitFor();
        await until(`${view} has its data`, () => page.evaluate(() => Boolean(document.querySelector("main tbody tr, main dd, main .cell"))));
        const [wide, is] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert(wide <= is, `${view} is ${wide} wide on a page of ${is}`);
        await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
        const { violations, passes } = await page.evaluate(() => window.axe.run());
        assert.deepEqual(violations.map(({ id, nodes }) => `${view} ${width} ${colorScheme} ${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).slice(0, 3).join("; ")}`), []);
        assert(passes.length > 10);
        checks += 1;
      }
      assert.deepEqual(complaints, []);
      await context.close();
    }
  }

  // The switch wins over the system, and is kept.
  const { page, context } = await open(browser, url, { colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole("button", { name: "Dark" }).click();
  assert.notEqual(await ground(), light);
  assert.equal(await page.getByRole("button", { name: "Dark" }).getAttribute("aria-pressed"), "true");
  await page.reload();
  assert.notEqual(await ground(), light);
  await context.close();
  console.log(`${checks} views by axe-core: nothing found`);
});
done();
