// Checks resources of the Prometheus operator by the validators that its published schema was compiled to, and finds fields
// that no validator reads: a misspelled one is ignored by a cluster without a word.
// Usage: node pod-monitor.mjs NODE_MODULES < a JSON list of resources. Prints a JSON list of what is wrong.
import { readFileSync } from "node:fs";

const schemas = `file://${process.argv[2]}/@kubernetes-models/prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1`;
const wrong = [];

function watched(value, path, read) {
    if (value === null || typeof value !== "object") return value;
    return new Proxy(value, {
        get(target, key) {
            if (typeof key !== "string") return target[key];
            read.add(`${path}/${key}`);
            return watched(target[key], `${path}/${key}`, read);
        },
    });
}

function unread(value, path, read) {
    if (value === null || typeof value !== "object") return [];
    return Object.keys(value).flatMap((key) => {
        const inner = `${path}/${key}`;
        return read.has(inner) ? unread(value[key], inner, read) : [inner];
    });
}

for (const resource of JSON.parse(readFileSync(0, "utf8"))) {
    const name = `${resource.kind} ${resource.metadata?.name}`;
    const { validate } = await import(`${schemas}${resource.kind}.js`);
    const read = new Set();
    if (validate(watched(resource, "", read))) {
        wrong.push(...unread(resource, "", read).map((path) => `${name}: ${path} is no field`));
    } else {
        wrong.push(...validate.errors.map((e) => `${name}: ${e.instancePath}: ${e.keyword} ${JSON.stringify(e.params)}`));
    }
}
console.log(JSON.stringify(wrong));
