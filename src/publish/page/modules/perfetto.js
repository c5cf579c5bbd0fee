// Hands the running trace to Perfetto's page, from window to window, without a file. Where windows are blocked, as a file.

import { buffer } from "./api.js";
import { el } from "./dom.js";

const PERFETTO = "https://ui.perfetto.dev";
const PING_MS = 50;
const PATIENCE_MS = 60_000;

export function start(button, say) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    // At once: a window that is opened later is taken for a pop-up.
    const opened = open(PERFETTO);
    try {
      say("Reading the trace …");
      const trace = await buffer("trace.pftrace");
      if (!trace.byteLength) throw new Error("the trace is empty");
      if (opened && (await answers(opened))) {
        hand(opened, trace);
        say("The trace is open in Perfetto.");
      } else {
        save(trace);
        say("Perfetto's window did not open or did not answer: the trace was saved as ringscope.pftrace; drag it onto ui.perfetto.dev.");
      }
    } catch (error) {
      opened?.close();
      say(`There is no trace to open: ${error.message}`);
    } finally {
      button.disabled = false;
    }
  });
}

// Asks until the other page has its ears open.
function answers(opened) {
  return new Promise((resolve) => {
    const end = (answered) => {
      clearInterval(asking);
      clearTimeout(over);
      removeEventListener("message", hear);
      resolve(answered);
    };
    const hear = ({ origin, source, data }) => {
      if (origin === PERFETTO && source === opened && data === "PONG") end(true);
    };
    addEventListener("message", hear);
    const asking = setInterval(() => (opened.closed ? end(false) : opened.postMessage("PING", PERFETTO)), PING_MS);
    const over = setTimeout(() => end(false), PATIENCE_MS);
  });
}

function hand(opened, trace) {
  opened.postMessage({ perfetto: { buffer: trace, title: `ringscope ${location.host}`, fileName: "ringscope.pftrace" } }, PERFETTO);
}

function save(trace) {
  const address = URL.createObjectURL(new Blob([trace], { type: "application/octet-stream" }));
  el("a", { href: address, download: "ringscope.pftrace" }).click();
  setTimeout(() => URL.revokeObjectURL(address), PATIENCE_MS);
}
