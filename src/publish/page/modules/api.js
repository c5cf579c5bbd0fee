// What the server is asked, with the token where it wants one. The token is kept for this tab alone, and never in a cookie.

const KEPT = "ringscope-token";

export class Refused extends Error {}

export function setToken(token) {
  sessionStorage.setItem(KEPT, token);
}

function headers() {
  const token = sessionStorage.getItem(KEPT);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

// Paths are relative: the page works below any path of a proxy.
async function ask(path, options = {}) {
  const answer = await fetch(path, { cache: "no-store", credentials: "omit", ...options, headers: headers() });
  if (answer.status === 401) throw new Refused("the server wants a token");
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${(await answer.text()).trim().slice(0, 200)}`);
  return answer;
}

export async function json(path, options) {
  return (await ask(path, options)).json();
}

export async function buffer(path, options) {
  return (await ask(path, options)).arrayBuffer();
}

// Calls `take` with the data of each `event: moment`, until the stream ends or `signal` aborts it.
export async function stream(path, signal, take) {
  const answer = await ask(path, { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split(/\r?\n\r?\n/);
    text = events.pop();
    events.forEach((event) => takeEvent(event, take));
  }
}

function takeEvent(event, take) {
  let name = "message";
  let data = "";
  for (const line of event.split(/\r?\n/)) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data += line.slice(5);
  }
  if (name === "moment" && data) take(JSON.parse(data));
}

// Makes a function that reads `path()` again when it is called, but not more often than every `pause` ms, and never twice at a
// time. The answer goes to `take`, an error to `fail`.
export function reader(path, pause, take, fail = () => {}) {
  let last = -Infinity;
  let busy = false;
  return async (now = false) => {
    if (busy || (!now && performance.now() - last < pause)) return;
    [busy, last] = [true, performance.now()];
    const asked = path();
    try {
      const answer = await json(asked);
      if (asked === path()) take(answer);
    } catch (error) {
      fail(error);
    } finally {
      busy = false;
    }
  };
}
