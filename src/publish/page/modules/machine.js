// The machine that the program runs on, and its GPUs.

import { reader } from "./api.js";
import { el, facts, setChildren, setText } from "./dom.js";
import { bytes, percent, whole } from "./format.js";
import { state } from "./state.js";

const PAUSE_MS = 2000;

export function view() {
  const system = facts("Processors and memory");
  const none = el("p", { class: "nothing", hidden: true });
  const gpus = el("div", { class: "gpus" });
  const cards = new Map();
  const node = el("section", {}, el("h2", { text: "Machine" }), el("section", { class: "panel" }, el("h3", { text: "Processors and memory" }), system.node), none, gpus);
  const read = reader(() => "snapshot.json", PAUSE_MS, (snapshot) => {
    const { system: machine } = snapshot;
    system.update(machine ? [["Processors busy", percent(machine.cpu_utilization_percent / 100), machine.cpu_utilization_percent], ["Memory used by the program", bytes(machine.memory_used_mb * 1e6), machine.memory_used_mb]] : [["Processors", "not measured: the feature system is off, or there was no sample yet"]]);
    none.hidden = Boolean(snapshot.gpus?.length);
    setText(none, "No GPU is measured: there is none, it has no driver, or the feature nvml is off.");
    setChildren(gpus, (snapshot.gpus ?? []).map((gpu) => {
      if (!cards.has(gpu.index)) cards.set(gpu.index, card(gpu));
      cards.get(gpu.index).update(gpu);
      return cards.get(gpu.index).node;
    }));
  });
  return { node, update: (fresh) => { if (!state.paused) read(fresh); }, title: "Machine" };
}

function card(gpu) {
  const name = `GPU ${gpu.index}${gpu.name ? `: ${gpu.name}` : ""}`;
  const list = facts(name);
  const meters = [meter("Busy"), meter("Memory")];
  const unit = (value, text) => (value === null || value === undefined ? null : `${whole(value)} ${text}`);
  const update = (now) => {
    meters[0].update(now.utilization_percent, 100, unit(now.utilization_percent, "%"));
    meters[1].update(now.memory_used_bytes, now.memory_total_bytes, `${bytes(now.memory_used_bytes)} of ${bytes(now.memory_total_bytes)}`);
    list.update([
      ["This program's memory", now.process_memory_bytes === null ? null : bytes(now.process_memory_bytes)],
      ["Memory's bus busy", unit(now.memory_utilization_percent, "%")],
      ["Temperature", unit(now.temperature_celsius, "°C")],
      ["Power", unit(now.power_watts, "W")],
      ["Clock of the multiprocessors", unit(now.sm_clock_mhz, "MHz")],
      ["Clock of the memory", unit(now.memory_clock_mhz, "MHz")],
      ["Memory errors, corrected", now.ecc_errors_corrected === null ? null : whole(now.ecc_errors_corrected)],
      ["Memory errors, not corrected", now.ecc_errors_uncorrected === null ? null : whole(now.ecc_errors_uncorrected)],
      ["Slowed down by", now.throttle_reasons === null ? null : now.throttle_reasons.join(", ") || "nothing"],
      ["UUID", now.uuid],
    ]);
  };
  return { node: el("section", { class: "panel" }, el("h3", { text: name }), meters.map(({ node }) => node), list.node), update };
}

function meter(label) {
  const bar = el("meter", { min: "0", max: "100", "aria-label": label });
  const text = el("span");
  const node = el("p", { class: "meter" }, el("span", { text: label }), bar, text);
  return {
    node,
    update(value, of, shown) {
      node.hidden = typeof value !== "number" || !(of > 0);
      if (node.hidden) return;
      bar.value = (100 * value) / of;
      setText(text, shown);
    },
  };
}
