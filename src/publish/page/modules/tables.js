// Tables that are sorted by their heads, and that change in place.

import { el, setAttribute, setChildren, setText } from "./dom.js";

const STEP = 200;

// Makes a table of `columns`: {key, label, of?, unit?, hint?, numeric?, priority?, value(row), text?(row), fill?(cell, row), only?(rows)}. What
// `value` returns is sorted by, and is in the cell as data-value; a column is shown where `only` holds of all rows, or there is none. `sort`: [key, ascending], or null where the order of the rows stays.
export function table({ caption, columns, keyOf, sort = null, none }) {
  const state = { sort, rows: [], limit: STEP, made: new Map() };
  const heads = columns.map((column) => head(column, sort !== null, () => {
    const [key, ascending] = state.sort;
    state.sort = [column.key, key === column.key ? !ascending : !column.numeric];
    show();
  }));
  const body = el("tbody");
  const more = el("button", { type: "button", class: "more", on: { click: () => { state.limit += STEP; show(); } } });
  const nothing = el("p", { class: "nothing", text: none });
  const grid = el("table", {}, el("caption", { class: "unseen", text: caption }), el("thead", {}, el("tr", {}, heads)), body);
  const scroller = el("div", { class: "scroller", role: "region", tabindex: "0", "aria-label": caption }, grid);
  // Until it has been told its rows, it says nothing of them.
  const node = el("div", { class: "table", hidden: true }, scroller, nothing, more);

  function show() {
    node.hidden = false;
    const rows = sorted(state.rows, columns, state.sort);
    const shown = rows.slice(0, state.limit);
    const kept = new Map();
    const hidden = columns.map(({ only }) => only !== undefined && !only(state.rows));
    setChildren(body, shown.map((row, at) => {
      const key = keyOf(row, at);
      const line = state.made.get(key) ?? makeRow(columns);
      columns.forEach((column, index) => {
        line.children[index].hidden = hidden[index];
        fill(line.children[index], column, row);
      });
      kept.set(key, line);
      return line;
    }));
    state.made = kept;
    columns.forEach((column, at) => {
      heads[at].hidden = hidden[at];
      setAttribute(heads[at], "aria-sort", order(column, state.sort));
    });
    nothing.hidden = rows.length > 0;
    scroller.hidden = rows.length === 0;
    more.hidden = rows.length <= state.limit;
    setText(more, `Show ${Math.min(STEP, rows.length - state.limit)} more of ${rows.length - state.limit}`);
  }

  return { node, update: (rows) => { state.rows = rows; show(); } };
}

function classes({ numeric, priority }) {
  return [numeric ? "number" : "", priority ? `less-${priority}` : ""].join(" ").trim() || null;
}

function head(column, sorts, click) {
  const cell = el("th", { scope: "col", class: classes(column), title: column.hint });
  const label = [column.of ? el("span", { class: "unseen", text: `${column.of}: ` }) : null, column.label, column.unit ? el("span", { class: "unit", text: ` ${column.unit}` }) : null];
  cell.append(...(sorts && column.value ? [el("button", { type: "button", on: { click } }, label)] : label.filter(Boolean)));
  return cell;
}

function makeRow(columns) {
  return el("tr", {}, columns.map((column, at) => (at === 0 ? el("th", { scope: "row", class: classes(column) }) : el("td", { class: classes(column) }))));
}

function fill(cell, column, row) {
  if (column.value) setAttribute(cell, "data-value", column.value(row) ?? null);
  if (column.fill) column.fill(cell, row);
  else setText(cell, (column.text ?? column.value)(row) ?? "–");
}

function order(column, sort) {
  if (!sort || sort[0] !== column.key) return null;
  return sort[1] ? "ascending" : "descending";
}

// What has no value comes last, whichever way it is sorted.
function sorted(rows, columns, sort) {
  const column = sort && columns.find(({ key }) => key === sort[0]);
  if (!column) return rows;
  const direction = sort[1] ? 1 : -1;
  const compare = (a, b) => {
    const [x, y] = [column.value(a), column.value(b)];
    if (x === y) return 0;
    if (x === null || x === undefined) return 1;
    if (y === null || y === undefined) return -1;
    return direction * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y);
  };
  return [...rows].sort(compare);
}
