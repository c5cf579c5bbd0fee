// Takes the pictures of docs/: the kernels, one kernel, and the blocks of one that hangs; light and dark.
import { ask, done, isLive, open, until, withBrowser } from "./page.mjs";

const [url, folder] = process.argv.slice(2);

await withBrowser(async (browser) => {
  const take = async (name, view, colorScheme, height, ready) => {
    const { page, context } = await open(browser, `${url}#/${view}`, { colorScheme, viewport: { width: 1200, height } });
    await isLive(page);
    await ready(page);
    await page.screenshot({ path: `${folder}/page-${name}.png` });
    await context.close();
  };
  const points = (page) => until("there are curves", () => page.evaluate(() => document.querySelectorAll("canvas").length > 3));
  const settled = (ms) => (page) => points(page).then(() => page.waitForTimeout(ms));
  await take("kernel", "kernel/attention", "light", 1000, settled(2000));
  await ask("hang");
  await take("kernels", "kernels", "dark", 440, settled(1000));
  await take("blocks", "blocks/attention", "dark", 570, async (page) => {
    await page.locator(".grid .silent").first().waitFor();
    await page.locator(".grid .cell").nth(41).hover();
    await page.locator(".sentence", { hasText: "Block 41" }).waitFor();
  });
});
done();
