// The page: which view is shown, and when it is drawn anew. Never more often than the screen is.

import { setToken } from "./api.js";
import { setAttribute, setText } from "./dom.js";
import { clock, count } from "./format.js";
import { connect } from "./live.js";
import { makeNotice } from "./notice.js";
import * as perfetto from "./perfetto.js";
import { current } from "./route.js";
import { changed, onChange, state } from "./state.js";
import * as theme from "./theme.js";
import { view as alerts } from "./alerts.js";
import { view as blocks } from "./blocks.js";
import { view as cost } from "./cost.js";
import { view as events } from "./events.js";
import { view as kernel } from "./kernel.js";
import { view as kernels } from "./kernels.js";
import { view as machine } from "./machine.js";

const VIEWS = { kernels, kernel, blocks, events, alerts, machine, telemetry: cost };
const part = (id) => document.getElementById(id);

let shown = null;
let drawing = false;
let turned = false;
const notice = makeNotice(part("notice"), part("aloud"));

// Shows the view that the address names.
function turn(moved) {
  const { view, of } = current();
  const make = Object.hasOwn(VIEWS, view) ? VIEWS[view] : kernels;
  shown?.leave?.();
  shown = make(of);
  part("main").replaceChildren(shown.node);
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.hash === `#/${view}` || (view === "kernel" && link.hash === "#/kernels");
    setAttribute(link, "aria-current", here ? "page" : null);
  }
  turned = true;
  draw();
  if (moved) part("main").focus({ preventScroll: true });
}

function draw() {
  drawing = false;
  if (shown === null) return;
  setText(part("status-text"), statusText());
  setAttribute(part("status"), "data-status", state.paused ? "paused" : state.connection.status);
  setText(part("lost"), state.lost ? `${count(state.lost)} frames lost: this page was slower than the telemetry` : "");
  document.title = `${shown.title} – ringscope`;
  if (state.paused && !turned) return;
  notice(shown.tellsOfHangs);
  shown.update(turned);
  turned = false;
}

function statusText() {
  const { status, since, why } = state.connection;
  if (status === "live") return state.paused ? `paused at ${clock(state.pausedAt)}` : "live";
  if (status === "stale") return `stale since ${clock(since)}: ${why}`;
  if (status === "refused") return "a token is needed";
  return why ? `not connected: ${why}` : "connecting";
}

onChange(() => {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(draw);
});

function askToken() {
  const [dialog, form, field, again] = ["token", "token-form", "token-field", "token-again"].map(part);
  again.hidden = !dialog.dataset.asked;
  dialog.dataset.asked = "yes";
  field.value = "";
  if (!dialog.open) dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      setToken(field.value.trim());
      dialog.close();
      resolve();
    };
  });
}

part("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  state.pausedAt = state.frame?.time;
  setAttribute(part("pause"), "aria-pressed", String(state.paused));
  turned = !state.paused;
  changed();
});
part("skip").addEventListener("click", (event) => {
  event.preventDefault();
  part("main").focus();
});
part("token").addEventListener("cancel", (event) => event.preventDefault());
addEventListener("hashchange", () => turn(true));
perfetto.start(part("perfetto"), (text) => setText(part("said"), text));
theme.start(part("theme"));
// The browser first shows what it has.
requestAnimationFrame(() => turn(false));
connect(askToken);
