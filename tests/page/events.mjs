// What happened before the page was opened is in the log, and filters find it.
import { assert, done, isLive, open, until, withBrowser } from "./page.mjs";

const [url] = process.argv.slice(2);

await withBrowser(async (browser) => {
  const { page, complaints } = await open(browser, `${url}#/events`);
  await isLive(page);
  const rows = () => page.locator("tbody tr").evaluateAll((lines) => lines.map((line) => [...line.children].map(({ textContent }) => textContent)));
  await page.locator("tbody tr", { hasText: "queue_drained" }).waitFor();
  const all = (await rows()).length;
  const refused = (await rows()).filter((cells) => cells.join(" ").includes("connection refused"));
  assert.equal(refused.length, 1);
  assert.match(refused[0].join(" "), /warning network http backup.example:443 failed after .*connection refused/);

  await page.getByLabel("Kind").selectOption("event");
  await until("kinds", async () => (await rows()).length === 1);
  assert.match((await rows())[0].join(" "), /info event queue_drained 100 queue=images batch=7/);
  await page.getByLabel("Kind").selectOption("");
  await page.getByLabel("Show").selectOption("warning");
  await until("severities", async () => (await rows()).every((cells) => !cells[1].includes("info")));
  await page.getByLabel("Show").selectOption("info");
  await page.getByRole("searchbox", { name: "Filter" }).fill("BACKUP");
  await until("words", async () => (await rows()).length === 1);
  await page.getByRole("searchbox", { name: "Filter" }).fill("nothing is called so");
  await page.getByText("Nothing of that kind has happened.").waitFor();
  await page.getByRole("searchbox", { name: "Filter" }).fill("");
  await until("all again", async () => (await rows()).length >= all);
  assert.deepEqual(complaints, []);
});
done();
