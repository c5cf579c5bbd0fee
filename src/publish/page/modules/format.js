// Numbers as people read them. Units as in the program's own tables.

const NONE = "–";
const exact = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

// Three digits that count, without an exponent.
function three(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.01 ? 3 : 4);
}

function scaled(value, step, units) {
  let unit = 0;
  while (Math.abs(value) >= step * 0.9995 && unit < units.length - 1) {
    value /= step;
    unit += 1;
  }
  return `${three(value)} ${units[unit]}`.trimEnd();
}

// A count: whole up to 99,999, then 123 k, 4.56 M.
export function count(value) {
  if (!isNumber(value)) return NONE;
  if (Math.abs(value) < 100_000 && Number.isInteger(value)) return exact.format(value);
  return scaled(value, 1000, ["", "k", "M", "G", "T"]);
}

export function whole(value) {
  return isNumber(value) ? exact.format(value) : NONE;
}

export function rate(value) {
  return isNumber(value) ? scaled(value, 1000, ["", "k", "M", "G", "T"]) : NONE;
}

export function bytes(value) {
  return isNumber(value) ? scaled(value, 1000, ["B", "kB", "MB", "GB", "TB"]) : NONE;
}

// A duration in nanoseconds.
export function nanoseconds(value) {
  if (!isNumber(value)) return NONE;
  return value >= 1e12 * 0.06 ? age(value / 1e9) : scaled(value, 1000, ["ns", "µs", "ms", "s"]);
}

// A duration in seconds, of the kind that people wait for.
export function age(seconds) {
  if (!isNumber(seconds)) return NONE;
  const s = Math.max(0, seconds);
  if (s < 1e-3) return nanoseconds(s * 1e9);
  if (s < 1) return `${three(s * 1000)} ms`;
  if (s < 60) return `${s.toFixed(1)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function percent(ratio) {
  return isNumber(ratio) ? `${three(ratio * 100)} %` : NONE;
}

const two = (n) => String(n).padStart(2, "0");

// The time of day, of seconds since 1970; the date before it where it is of another day.
export function clock(seconds) {
  if (!isNumber(seconds)) return NONE;
  const time = new Date(seconds * 1000);
  const day = time.toDateString() === new Date().toDateString() ? "" : `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} `;
  return `${day}${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export function labels(pairs) {
  return (pairs ?? []).map(([name, value]) => `${name}=${value}`).join(" ");
}
