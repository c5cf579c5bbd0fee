// Asks Perfetto's trace_processor, as its page ships it in wasm: node perfetto.js ENGINE_FOLDER TRACE_FILE, queries in SQL
// as a JSON list on stdin. Answers with a JSON list on stdout: {"rows": [[...]]} or {"error": "..."}; whole numbers are
// text, since they may have 64 bits.
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");
const [folder, file] = process.argv.slice(2);

// ---- protobuf, as much as its messages need ---------------------------------------------------------

const varint = (n) => {
  const bytes = [];
  for (n = BigInt(n); n > 127n; n >>= 7n) bytes.push(Number(n & 127n) | 128);
  return Buffer.from([...bytes, Number(n)]);
};
const bytesField = (tag, bytes) => Buffer.concat([varint((tag << 3) | 2), varint(bytes.length), bytes]);
const intField = (tag, n) => Buffer.concat([varint(tag << 3), varint(n)]);

class Reader {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  get more() { return this.at < this.bytes.length; }
  varint() {
    let n = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.at++];
      n |= BigInt(byte & 127) << shift;
      if (byte < 128) return n;
    }
  }
  field() {
    const key = Number(this.varint());
    const value = { tag: key >> 3 };
    if ((key & 7) === 0) value.n = this.varint();
    else if ((key & 7) === 2) {
      const length = Number(this.varint());
      value.bytes = this.bytes.subarray(this.at, (this.at += length));
    } else this.at += (key & 7) === 1 ? 8 : 4;
    return value;
  }
  *[Symbol.iterator]() { while (this.more) yield this.field(); }
}

function rows(result, answer) {
  let columns = 0;
  const flat = [];
  for (const { tag, bytes } of new Reader(result)) {
    if (tag === 1) columns++;
    if (tag === 2 && bytes.length) answer.error = bytes.toString();
    if (tag !== 3) continue;
    let cells = [], varints, floats = 0, doubles, strings = [];
    for (const part of new Reader(bytes)) {
      if (part.tag === 1) cells = part.bytes;
      if (part.tag === 2) varints = new Reader(part.bytes);
      if (part.tag === 3) doubles = Buffer.from(part.bytes);
      if (part.tag === 5) strings = part.bytes.toString().split("\0");
    }
    for (const kind of cells) {
      if (kind === 1) flat.push(null);
      if (kind === 2) flat.push(BigInt.asIntN(64, varints.varint()).toString());
      if (kind === 3) flat.push(doubles.readDoubleLE(8 * floats++));
      if (kind === 4) flat.push(strings.shift());
    }
  }
  if (!answer.columns) answer.columns = columns;
  for (let i = 0; i < flat.length; i += answer.columns) answer.rows.push(flat.slice(i, i + answer.columns));
}

// ---- the engine, a web worker -----------------------------------------------------------------------

let answer;
const port = {
  postMessage(bytes) {
    for (const message of new Reader(Buffer.from(bytes))) {
      for (const { tag, bytes } of new Reader(message.bytes)) {
        if (tag === 5) throw new Error(bytes.toString());
        if (tag === 201) for (const part of new Reader(bytes)) if (part.tag === 2) answer.error = part.bytes.toString();
        if (tag === 203) rows(bytes, answer);
      }
    }
  },
};
// The worker asks for its wasm and waits for it.
class XMLHttpRequest {
  open(_, name) { this.name = path.basename(String(name)); }
  send() { this.response = new Uint8Array(fs.readFileSync(path.join(folder, this.name))).buffer; }
}
// An error of the engine would print all of it, which is one line.
process.on("uncaughtException", (error) => { console.error(String(error).slice(0, 2000)); process.exit(1); });
process.on("unhandledRejection", (error) => { throw error; });
const log = (...words) => { if (process.env.PERFETTO_VERBOSE) console.error(...words); };
const self = {
  XMLHttpRequest, console: { log, warn: log, error: log }, location: { href: "file:///" },
  importScripts() {}, WorkerGlobalScope: class {}, performance, URL, TextDecoder, TextEncoder, setTimeout, crypto,
};
self.self = self;
vm.createContext(self);
vm.runInContext(fs.readFileSync(path.join(folder, "engine_bundle.js"), "utf8"), self);
self.onmessage({ data: port });

let sequence = 0;
function request(method, ...parts) {
  answer = { rows: [] };
  const rpc = Buffer.concat([intField(1, ++sequence), intField(2, method), ...parts]);
  const Bytes = vm.runInContext("Uint8Array", self); // the engine asks for one of its own kind
  port.onmessage({ data: new Bytes(bytesField(1, rpc)) });
  delete answer.columns;
  return answer.error === undefined ? { rows: answer.rows } : { error: answer.error };
}

async function main() {
  // The wasm was compiled while the worker was loaded; what waits for that goes first.
  await new Promise((resolve) => setTimeout(resolve));
  const trace = fs.readFileSync(file);
  for (let at = 0; at < trace.length; at += 1 << 20) {
    const { error } = request(1, bytesField(101, trace.subarray(at, at + (1 << 20))));
    if (error) throw new Error(error);
  }
  request(2);
  const queries = JSON.parse(fs.readFileSync(0, "utf8"));
  const answers = queries.map((sql) => request(3, bytesField(103, bytesField(1, Buffer.from(sql)))));
  fs.writeSync(1, JSON.stringify(answers));
}
main();
