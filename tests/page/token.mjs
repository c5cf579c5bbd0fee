// A server with a token: the page asks for it, says when it is wrong, keeps it for this tab, and has it nowhere in the address.
import { assert, done, isLive, open, withBrowser } from "./page.mjs";

const [url, token] = process.argv.slice(2);

await withBrowser(async (browser) => {
  const { page, requests } = await open(browser, url);
  const dialog = page.getByRole("dialog", { name: "A token is needed" });
  await dialog.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "token-field");
  await page.keyboard.press("Escape");
  await page.keyboard.type("wrong wrong wrong");
  await page.keyboard.press("Enter");
  await page.getByText("The server did not take that token.").waitFor();
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Connect" }).click();
  await isLive(page);
  await page.locator("tbody tr").first().waitFor();
  assert.equal(await dialog.isVisible(), false);
  await page.reload();
  await isLive(page);
  assert(!requests.some((one) => one.includes(token)));
  // Another tab has to ask for itself.
  const other = await open(browser, url);
  await other.page.getByRole("dialog", { name: "A token is needed" }).waitFor();
});
done();
