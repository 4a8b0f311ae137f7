// Elements, numbers and words. Everything from the fleet goes into the page as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null).map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

// Stroops as units with 2 to `places` places. Amounts come as text: JavaScript's numbers do not hold 63 bits.
export function units(stroops, places = 2) {
  if (stroops === undefined || stroops === null || !/^-?\d+$/.test(String(stroops))) return "";
  const value = BigInt(stroops), sign = value < 0n ? "−" : "", size = value < 0n ? -value : value;
  const whole = (size / 10000000n).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const part = (size % 10000000n).toString().padStart(7, "0").slice(0, places).replace(/0+$/, "").padEnd(2, "0");
  return `${sign}${whole}.${part}`;
}

export const clock = { skew: 0 };  // the server's time less ours, seconds

// How long ago, coarse: a word that changed every second would be drawn every second.
export function ago(at) {
  const seconds = Date.now() / 1000 + clock.skew - at;
  if (!at) return "never";
  if (seconds < 60) return "now";
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

export const short = (text, size = 10) => (text && text.length > size + 2 ? text.slice(0, size) + "…" : text || "");

export const word = (kind, text, title = null) => el("span", { class: `word ${kind}`, title }, text);

// A sentence in which `commands` stand between backticks.
export const prose = (text) => text.split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
