// The blocks of a kernel: each a cell, coloured and lettered by where it is. A hang is an island.

import { reader } from "./api.js";
import { el, facts, setAttribute, setText } from "./dom.js";
import { age, clock } from "./format.js";
import { to } from "./route.js";
import { state } from "./state.js";
import { placeOf, waitsFor } from "./words.js";

const PAUSE_MS = 500;
const MOST_CELLS = 4096;
const COLOURS = 8;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

export function view(of) {
  const chosen = () => of || [...state.kernels.values()].find(({ stuck }) => stuck)?.id || [...state.kernels.values()].find(({ blocks }) => blocks > 0)?.id || "";
  const choose = el("select", { id: "blocks-of", on: { change: () => { location.hash = to("blocks", choose.value); } } });
  const report = el("div", { class: "report" });
  const counted = el("p", { class: "totals" });
  const legend = el("ul", { class: "places", "aria-label": "Places" });
  const detail = facts("The block");
  const said = el("p", { class: "sentence", text: "Point at a block, or go there with the arrow keys." });
  const grid = makeGrid(choose, (block) => {
    setText(said, block ? sentence(block) : "");
    if (block) detail.update(details(block));
  });
  const node = el("section", {},
    el("h2", { text: "Blocks" }),
    el("div", { class: "controls" }, el("label", { for: "blocks-of", text: "Kernel" }), choose, counted),
    report,
    el("div", { class: "blocks" },
      el("div", { class: "map" }, grid.node, legend),
      el("section", { class: "panel detail" }, el("h3", { text: "Block" }), said, detail.node)));

  const places = new Places();
  const read = reader(() => `blocks.json?kernel=${encodeURIComponent(chosen())}`, PAUSE_MS, (blocks) => {
    setText(counted, told(blocks));
    blocks.forEach((block) => places.add(placeOf(block), block.place?.waypoint?.index ?? 0));
    grid.update(blocks, places);
    places.show(legend, blocks);
  });
  const readReport = reader(() => "stuck?format=json", PAUSE_MS, ({ stuck }) => showReport(report, stuck));

  function update(fresh) {
    const ids = [...state.kernels.values()].filter(({ blocks }) => blocks > 0).map(({ id }) => id);
    if (ids.join("\n") !== [...choose.options].map(({ value }) => value).join("\n")) choose.replaceChildren(...ids.map((id) => el("option", { value: id, text: id })));
    choose.value = chosen();
    if (state.paused || !chosen()) return;
    read(fresh);
    readReport(fresh);
  }
  return { node, update, title: `Blocks of ${chosen()}`, tellsOfHangs: true };
}

function told(blocks) {
  const silent = blocks.filter((block) => block.silent).length;
  const shown = blocks.length > MOST_CELLS ? `, the first ${MOST_CELLS} of them are shown` : "";
  return `${blocks.length} ${blocks.length === 1 ? "block" : "blocks"}, ${silent} silent for too long${shown}`;
}

// Colours and letters of places: by the number that the kernel's author gave them, or the next that is free.
class Places {
  #known = new Map();

  add(name, number) {
    if (this.#known.has(name)) return;
    const taken = new Set(this.#known.values());
    let free = number;
    while (taken.has(free)) free += 1;
    this.#known.set(name, free);
    this.#known = new Map([...this.#known].sort(([, a], [, b]) => a - b));
  }

  index(name) {
    return this.#known.get(name);
  }

  letter(name) {
    return LETTERS[this.index(name) % LETTERS.length];
  }

  colour(name) {
    return name === "ended" || name === "not begun" ? "none" : this.index(name) % COLOURS;
  }

  show(legend, blocks) {
    const counts = new Map([...this.#known.keys()].map((name) => [name, [0, 0]]));
    for (const block of blocks) {
      const count = counts.get(placeOf(block));
      count[0] += 1;
      count[1] += block.silent ? 1 : 0;
    }
    const items = [...counts].map(([name, [all, silent]]) => el("li", {},
      el("span", { class: `cell place-${this.colour(name)}${silent ? " silent" : ""}`, "aria-hidden": "true", text: this.letter(name) }),
      el("span", { text: ` ${name}: ${all}${silent ? `, ${silent} silent` : ""}` })));
    if (legend.textContent !== items.map((item) => item.textContent).join("")) legend.replaceChildren(...items);
  }
}

// One cell can be reached by Tab, the others from it by the arrow keys, Home and End.
function makeGrid(choose, pick) {
  const node = el("div", { class: "grid", role: "grid", "aria-label": "Blocks" });
  let cells = [];
  let blocks = [];
  let current = 0;
  let columns = 1;

  const columnsNow = () => {
    const first = cells[0]?.offsetTop;
    const wrapped = cells.findIndex((cell) => cell.offsetTop !== first);
    return wrapped < 1 ? Math.max(1, cells.length) : wrapped;
  };
  const go = (to) => {
    const at = Math.min(Math.max(to, 0), cells.length - 1);
    cells[current]?.setAttribute("tabindex", "-1");
    current = at;
    cells[at]?.setAttribute("tabindex", "0");
    cells[at]?.focus();
  };
  const place = (event) => cells.indexOf(event.target.closest?.(".cell"));
  node.addEventListener("keydown", (event) => {
    columns = columnsNow();
    const steps = { ArrowLeft: current - 1, ArrowRight: current + 1, ArrowUp: current - columns, ArrowDown: current + columns };
    const ends = { Home: event.ctrlKey ? 0 : current - (current % columns), End: event.ctrlKey ? cells.length - 1 : current - (current % columns) + columns - 1 };
    const to = { ...steps, ...ends }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 && (to < cells.length || event.key === "End")) go(to);
  });
  node.addEventListener("focusin", (event) => { if (place(event) >= 0) { current = place(event); pick(blocks[current]); } });
  node.addEventListener("mouseover", (event) => { if (place(event) >= 0) pick(blocks[place(event)]); });
  node.addEventListener("mouseleave", () => { if (node.contains(document.activeElement)) pick(blocks[current]); });

  function update(all, places) {
    blocks = all.slice(0, MOST_CELLS);
    if (blocks.length !== cells.length) {
      cells = blocks.map((_, at) => el("div", { role: "gridcell", tabindex: at === current ? "0" : "-1" }));
      if (!cells[current]) cells[current = 0]?.setAttribute("tabindex", "0");
      node.replaceChildren(el("div", { role: "row", class: "row" }, cells));
    }
    blocks.forEach((block, at) => {
      const name = placeOf(block);
      setAttribute(cells[at], "class", `cell place-${places.colour(name)}${block.silent ? " silent" : ""}`);
      setText(cells[at], places.letter(name));
      setAttribute(cells[at], "aria-label", label(block));
    });
    setAttribute(node, "aria-label", `Blocks of ${choose.value}`);
    if (node.contains(document.activeElement)) pick(blocks[current]);
  }
  return { node, update };
}

// What does not change from one reading to the next: the name of a cell is not read aloud again and again.
function label(block) {
  const where = block.multiprocessor === null ? "" : `, SM ${block.multiprocessor}`;
  const waits = waitsFor(block);
  return `Block ${block.block}${where}: ${placeOf(block)}${waits ? `, waits for ${waits}` : ""}${block.silent ? ", silent for too long" : ""}`;
}

function sentence(block) {
  const now = state.frame?.time ?? Date.now() / 1000;
  const since = block.since === null ? "" : ` for ${age(now - block.since)}`;
  return `Block ${block.block} is at “${placeOf(block)}”${since}${block.silent ? ", and was silent for too long" : ""}.`;
}

function details(block) {
  return [
    ["Block", String(block.block)],
    ["Multiprocessor", block.multiprocessor === null ? null : `SM ${block.multiprocessor}`],
    ["State", block.state.replace("_", " ")],
    ["Where", placeOf(block)],
    ["Since", block.since === null ? null : clock(block.since)],
    ["Waits for", waitsFor(block)],
    ["Message in hand", block.message === null ? null : String(block.message)],
    ["Last sign of life", block.last_sign_of_life === null ? null : clock(block.last_sign_of_life)],
  ];
}

function showReport(report, stuck) {
  const items = stuck.map(({ kernel_id: id, sentence: text }) => el("li", {}, el("a", { href: to("blocks", id), text: id }), el("span", { text: text.startsWith(id) ? text.slice(id.length) : `: ${text}` })));
  const made = stuck.length ? el("ul", { class: "stuck" }, items) : el("p", { class: "nothing", text: "No kernel hangs." });
  if (report.textContent !== made.textContent) report.replaceChildren(made);
}
