// Tables and charts show the numbers of /snapshot.json, and what was collected before the page was opened.
import { assert, done, go, isLive, open, until, withBrowser } from "./page.mjs";

const [url] = process.argv.slice(2);
const snapshot = async () => (await fetch(`${url}snapshot.json`)).json();
const cell = (page, id, column) => page.evaluate(([id, column]) => {
  const at = [...document.querySelectorAll("thead th")].findIndex((head) => head.textContent.startsWith(column));
  const row = [...document.querySelectorAll("tbody tr")].find((line) => line.firstChild.dataset.value === id);
  return row?.children[at]?.dataset.value ?? null;
}, [id, column]);

await withBrowser(async (browser) => {
  const { page, complaints } = await open(browser, url);
  await isLive(page);
  // An actor whose numbers stand still: to the last digit.
  const actor = (await snapshot()).kernels.find(({ kernel_id: id }) => id === "tokenize");
  assert.deepEqual([actor.messages_processed, actor.errors], [400, 1]);
  await until("the actor is in the table", () => cell(page, "tokenize", "Processed"));
  assert.equal(await cell(page, "tokenize", "Processed"), "400");
  assert.equal(await cell(page, "tokenize", "Failed"), "1");
  // Of one device nothing is said.
  assert.equal(await page.getByRole("columnheader", { name: "Device" }).count(), 0);
  // A kernel at work: between one reading and the next.
  const counted = async () => (await snapshot()).kernels.find(({ kernel_id: id }) => id === "ffn").messages_processed;
  const before = await counted();
  await until("it shows what was counted", async () => Number(await cell(page, "ffn", "Processed")) >= before);
  const shown = Number(await cell(page, "ffn", "Processed"));
  assert(shown <= (await counted()), `${shown} is no more than there is`);
  assert.equal(await page.locator("tbody tr").count(), (await snapshot()).kernels.length);

  await page.getByRole("searchbox", { name: "Filter" }).fill("FF");
  await until("the filter works", async () => (await page.locator("tbody tr").count()) === 1);
  await page.getByRole("searchbox", { name: "Filter" }).fill("");
  await page.getByRole("button", { name: "Processed" }).click();
  const values = () => page.evaluate(() => {
    const at = [...document.querySelectorAll("thead th")].findIndex((head) => head.textContent === "Processed");
    return [...document.querySelectorAll("tbody tr")].map((line) => Number(line.children[at].dataset.value));
  });
  await until("it is sorted, the most first", async () => JSON.stringify(await values()) === JSON.stringify((await values()).sort((a, b) => b - a)));
  assert.equal(await page.locator("th[aria-sort=descending]").count(), 1);

  // One kernel: what stands there is what the snapshot says.
  await go(page, "kernel/tokenize");
  const fact = (name) => page.locator(".facts > div").filter({ has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) }).locator("dd").getAttribute("data-value");
  await until("its facts are there", () => fact("Processed"));
  for (const [name, value] of [["Processed", actor.messages_processed], ["Failed", actor.errors], ["p50", actor.latency.p50_ns], ["p99", actor.latency.p99_ns], ["Longest", actor.latency.max_ns]]) {
    assert.equal(Number(await fact(name)), value, name);
  }

  // A page that is opened now shows what happened before; and so says the table behind each chart.
  const late = await open(browser, `${url}#/kernel/attention`);
  const history = await (await fetch(`${url}history.json?points=600`)).json();
  const opened = await late.page.evaluate(() => performance.timeOrigin / 1000);
  assert(history.time.filter((time) => time < opened).length > 3, "there is a past");
  const behind = late.page.locator(".chart", { has: late.page.getByRole("heading", { name: "Throughput" }) }).locator("details");
  await behind.locator("summary").click();
  const rows = async () => behind.locator("tbody tr").evaluateAll((lines) => lines.map((line) => [...line.children].map(({ textContent }) => textContent)));
  const clock = (time) => new Date(time * 1000).toTimeString().slice(0, 8);
  const old = history.time.map((time, at) => [time, history.kernels.attention.messages_per_second[at]]).filter(([time]) => time < opened);
  const seen = await until("the past is in the table", async () => { const all = await rows(); return all.length > 3 && all; });
  const [time, rate] = old.at(-1);
  const text = (value) => value.toPrecision(3);
  assert(seen.some(([at, value]) => at === clock(time) && Math.abs(Number(value) - rate) <= Number(text(rate)) * 0.01 + 0.01), `${clock(time)} ${rate} in ${JSON.stringify(seen.slice(0, 40))}`);

  // Curves are drawn, and so is the heat map: not one colour alone.
  for (const [what, canvas] of [["the curve", ".uplot canvas"], ["the heat map", "canvas.heat"]]) {
    await until(`${what} is drawn`, () => late.page.locator(canvas).first().evaluate((one) => {
      const data = one.getContext("2d").getImageData(0, 0, one.width, one.height).data;
      return new Set(new Uint32Array(data.buffer)).size > 5;
    }));
  }
  const heat = late.page.locator(".chart", { has: late.page.getByRole("heading", { name: "Latency heat map" }) }).locator("details");
  await heat.locator("summary").click();
  await until("the heat map has its numbers", async () => (await heat.locator("tbody tr").count()) > 3);
  assert.deepEqual([...complaints, ...late.complaints], []);
});
done();
