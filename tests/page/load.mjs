// How the page loads: what it asks for, how large that is, how long it took (said, not judged: a test must not know the machine).
import { gzipSync } from "node:zlib";
import { assert, done, isLive, open, withBrowser } from "./page.mjs";

const [url] = process.argv.slice(2);
const MOST_BYTES = 150_000;

await withBrowser(async (browser) => {
  const { page, complaints, requests, context } = await open(browser, url);
  await isLive(page);
  await page.locator("tbody tr").first().waitFor();
  const origins = new Set(requests.map((one) => new URL(one).origin));
  assert.deepEqual([...origins], [new URL(url).origin], "it asks nobody else");

  const files = [...new Set(requests)].filter((one) => new URL(one).pathname === "/" || new URL(one).pathname.startsWith("/page/"));
  let zipped = 0;
  for (const file of files) {
    const answer = await fetch(file, { headers: { Accept: "text/html, */*" } });
    assert.equal(answer.status, 200, file);
    assert.match(answer.headers.get("content-security-policy"), /^default-src 'none'; script-src 'self'; style-src 'self'; /, file);
    assert.doesNotMatch(answer.headers.get("content-security-policy"), /unsafe|\*/);
    assert.equal(answer.headers.get("set-cookie"), null);
    zipped += gzipSync(Buffer.from(await answer.arrayBuffer()), { level: 9 }).length;
  }
  assert(zipped < MOST_BYTES, `${zipped} bytes`);
  const scripts = files.filter((file) => file.endsWith(".js")).map((file) => new URL(file).pathname);
  assert.deepEqual(scripts.sort(), ["/page/page.js", "/page/vendor/uPlot.iife.min.js"], "each file is one more trip");
  assert.equal(await page.evaluate(() => document.cookie), "");
  assert.deepEqual(await context.cookies(), []);
  assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll("[style], script:not([src]), style")].filter((one) => one.matches("script, style")).length), 0);

  // Again, with a browser that is warm and a page that is not: nothing of it is taken from the cache.
  const times = [];
  for (let n = 0; n < 5; n += 1) {
    const again = await open(browser, url);
    await isLive(again.page);
    times.push(await again.page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd));
    await again.context.close();
  }
  console.log(`${files.length} files, ${zipped} bytes zipped; loaded in ${times.map((ms) => Math.round(ms)).join(", ")} ms (the goal: under 150 ms)`);
  assert.deepEqual(complaints, []);
});
done();
