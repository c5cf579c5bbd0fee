// "Open in Perfetto": the running trace goes from window to window to a page that stands in for Perfetto's; and where windows are
// blocked, it is saved.
import { readFileSync } from "node:fs";
import { assert, done, isLive, open, until, withBrowser } from "./page.mjs";

const [url] = process.argv.slice(2);
// Late, as the real one: it is asked more than once.
const STAND_IN = `<!doctype html><title>stand-in</title><script>
let asked = 0;
addEventListener("message", ({ data, source, origin }) => {
  if (data === "PING" && ++asked > 2) source.postMessage("PONG", origin);
  if (data?.perfetto) document.title = JSON.stringify({ asked, origin, bytes: data.perfetto.buffer.byteLength, first: new Uint8Array(data.perfetto.buffer)[0], name: data.perfetto.fileName, title: data.perfetto.title });
});
</script>`;

await withBrowser(async (browser) => {
  const { page, context, complaints } = await open(browser, url);
  await context.route("https://ui.perfetto.dev/**", (route) => route.fulfill({ contentType: "text/html", body: STAND_IN }));
  await isLive(page);
  const popup = page.waitForEvent("popup");
  await page.getByRole("button", { name: "Open in Perfetto" }).click();
  const opened = await popup;
  const title = await until("the trace is handed over", async () => { const text = await opened.title(); return text.startsWith("{") && text; });
  const got = JSON.parse(title);
  console.log(title);
  assert.equal(got.origin, new URL(url).origin);
  assert.equal(got.first, 0x0a, "a packet of a trace of Perfetto's");
  assert(got.bytes > 100 && got.asked > 2 && got.name === "ringscope.pftrace" && got.title.startsWith("ringscope "));
  await page.getByText("The trace is open in Perfetto.").waitFor();
  await opened.close();

  await page.evaluate(() => { window.open = () => null; });
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "Open in Perfetto" }).click();
  const saved = await saving;
  assert.equal(saved.suggestedFilename(), "ringscope.pftrace");
  const bytes = readFileSync(await saved.path());
  assert(bytes.length > 100 && bytes[0] === 0x0a);
  await page.locator("#said", { hasText: "was saved as ringscope.pftrace" }).waitFor();
  assert.deepEqual(complaints, []);
});
done();
