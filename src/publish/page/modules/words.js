// Words, marks and colours for states, places and severities. Never a colour alone.

import { el, setAttribute, setText } from "./dom.js";

const STATES = {
  launched: "○",
  active: "●",
  deactivated: "◌",
  terminating: "◐",
  terminated: "■",
  failed: "✕",
  stalled: "▲",
};
const SEVERITIES = { info: "·", warning: "▲", critical: "✕" };
const ALERTS = { pending: "○", firing: "●", resolved: "✓" };

function badge(cell, kind, mark, text) {
  if (!cell.firstChild) cell.append(el("span", { class: "mark", "aria-hidden": "true" }), el("span"));
  setAttribute(cell.firstChild, "class", `mark ${kind}`);
  setText(cell.firstChild, mark);
  setText(cell.lastChild, text);
}

export function stateBadge(cell, state) {
  badge(cell, `is-${Object.hasOwn(STATES, state) ? state : "unknown"}`, STATES[state] ?? "?", state);
}

export function severityBadge(cell, severity) {
  badge(cell, `is-${Object.hasOwn(SEVERITIES, severity) ? severity : "unknown"}`, SEVERITIES[severity] ?? "?", severity);
}

export function alertBadge(cell, state) {
  badge(cell, `is-${Object.hasOwn(ALERTS, state) ? state : "unknown"}`, ALERTS[state] ?? "?", state);
}

const RING = {
  message: "waiting for a message",
  handler: "in the handler",
  room: "waiting for room for its reply",
  publish: "publishing its reply",
};
const BLOCK_STATES = { not_started: "not begun", ended: "ended" };

// Where a block is, in few words: a waypoint by its name.
export function placeOf({ state, place }) {
  if (BLOCK_STATES[state]) return BLOCK_STATES[state];
  if (place?.waypoint) return place.waypoint.name || `#${place.waypoint.index}`;
  if (place?.ring) return RING[place.ring] ?? place.ring;
  return "no waypoint";
}

export function waitsFor({ waits_for: waits }) {
  if (!waits) return null;
  if (waits === "work") return "work";
  if (waits === "something") return "something that is due";
  if (!waits.due) return String(waits);
  const { resource, expected, seen } = waits.due;
  return `${resource ? `resource ${resource}, ` : ""}expected ${expected}, seen ${seen}`;
}
