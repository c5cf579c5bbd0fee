// Keeps the page connected: history first, then frames as they come; again and again, if the server goes away.

import { json, Refused, stream } from "./api.js";
import { setConnection, state, takeEntries, takeFrame, takeHistory } from "./state.js";

const POINTS = 600;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4000;
// Frames of a collector that is much slower than this are expected that late.
const SILENCE_MS = 5000;

let wake = () => {};

export async function connect(askToken) {
  watch();
  let wait = FIRST_WAIT_MS;
  for (;;) {
    try {
      await once(() => (wait = FIRST_WAIT_MS));
      setConnection("stale", "the server closed the connection");
    } catch (error) {
      if (error instanceof Refused) {
        setConnection("refused");
        await askToken();
        continue;
      }
      setConnection(state.frame ? "stale" : "connecting", "no answer from the server");
    }
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, wait);
    });
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

addEventListener("online", () => wake());

// One connection, until it ends.
async function once(connected) {
  const [history, entries, alerts] = await Promise.all([
    json(`history.json?points=${POINTS}`),
    json("entries.json?limit=1000"),
    json("alerts.json"),
  ]);
  takeHistory(history);
  takeEntries(entries);
  if (Array.isArray(alerts)) state.alerts = alerts;
  else [state.alerts, state.rules] = [alerts.alerts ?? [], alerts.rules ?? null];
  await stream("live", undefined, (frame) => {
    connected();
    lastFrame = performance.now();
    interval = state.frame ? Math.max(0, (frame.time - state.frame.time) * 1000) : interval;
    takeFrame(frame);
  });
}

let lastFrame = Infinity;
let interval = 0;

// A connection can be open and silent: a collector that hangs, a machine that is gone.
function watch() {
  setInterval(() => {
    const late = performance.now() - lastFrame > Math.max(SILENCE_MS, 3 * interval);
    if (late && state.connection.status === "live") setConnection("stale", "nothing new has come");
  }, 500);
}
