// A backend of statsd that appends what it is flushed to the file `flushes`, one JSON document a line.
const fs = require("fs");

exports.init = (_time, _config, events) => {
    events.on("flush", (_now, { counters, gauges, timers, timer_counters, sets }) => {
        const members = Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, set.values()]));
        fs.appendFileSync("flushes", JSON.stringify({ counters, gauges, timers, timer_counters, sets: members }) + "\n");
    });
    return true;
};
