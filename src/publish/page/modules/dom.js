// Makes elements. Text goes in as text: a kernel may be called anything.

// Makes an element. `on` has listeners, `text` its text, everything else is an attribute; null and false are left out.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") Object.entries(value).forEach(([type, listener]) => node.addEventListener(type, listener));
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Sets the text where it is another: what did not change is not laid out again, and not read aloud again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// Makes `nodes` the children of `parent`, moving as few as it can, and leaves the focus where it was.
export function setChildren(parent, nodes) {
  const focused = document.activeElement;
  nodes.forEach((node, at) => {
    if (parent.childNodes[at] !== node) parent.insertBefore(node, parent.childNodes[at] ?? null);
  });
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

// A row of names and values, as `dl`. `pairs`: [name, text, exact value?]; those whose text is null are left out.
export function facts(label) {
  const list = el("dl", { class: "facts", "aria-label": label });
  const items = new Map();
  const update = (pairs) => {
    const shown = pairs.filter(([, text]) => text !== null && text !== undefined);
    setChildren(list, shown.map(([name, text, exact]) => {
      if (!items.has(name)) items.set(name, el("div", {}, el("dt", { text: name }), el("dd")));
      const item = items.get(name);
      setText(item.lastChild, text);
      setAttribute(item.lastChild, "data-value", exact ?? null);
      return item;
    }));
  };
  return { node: list, update };
}

export function panel(title, ...children) {
  return el("section", { class: "panel" }, el("h3", { text: title }), ...children);
}
