// Which view is shown: it is in the address, so that it can be kept and sent.

export function current() {
  const [view = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  try {
    return { view: view || "kernels", of: decodeURIComponent(rest.join("/")) };
  } catch {
    return { view: "kernels", of: "" };
  }
}

export function to(view, of = "") {
  return `#/${view}${of ? `/${encodeURIComponent(of)}` : ""}`;
}
