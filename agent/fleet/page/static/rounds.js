// A model's rounds: how their figure went, and which round was built on which.

import { el, short, svg } from "./words.js";

const CURVE = 200, TREE = 40;  // the newest rounds that are drawn

export function model(name, members) {
  const [code, issuer] = name.split(":");
  return el("div", { class: "model" }, el("h3", {}, code, " ", el("span", { class: "faint", title: issuer ?? "" }, short(issuer, 12))),
    ...members.flatMap(named), el("div", { class: "pair" }, curve(members), tree(members)));
}

// A round that is not what its lineage says is served by nobody: who worked on it gets its stake back, and no pay.
function named(round) {
  const by = Object.keys(round.false);
  if (!by.length) return [];
  const who = by.length === 1 ? "a validator says" : `${by.length} validators say`;
  return [el("p", { class: "bad", title: by.join("\n") }, `Round ${round.number} is false, ${who}: ${round.false[by[0]]}`)];
}

function curve(members) {
  const known = members.filter((round) => round.figure !== null).slice(-CURVE);
  if (!known.length) return el("p", { class: "faint" }, "The rounds' figures come from the content store; none could be read yet.");
  const [w, h, left, low] = [520, 230, 56, 28], values = known.map((round) => Number(round.figure));
  const [min, max] = [Math.min(...values), Math.max(...values)], [first, last] = [known[0].number, known[known.length - 1].number];
  const x = (n) => left + 8 + ((n - first) / Math.max(1, last - first)) * (w - left - 32);
  const y = (v) => h - low - ((v - min) / (max - min || 1)) * (h - low - 24);
  const best = known[0].better === "lower" ? min : max, title = `${known[0].figureName}, ${known[0].unit}; ${known[0].better} is better`;
  const byCid = new Map(known.map((round) => [round.cid, round]));
  const steps = known.filter((round) => byCid.has(round.previous)).map((round) => {
    const before = byCid.get(round.previous);
    return svg("line", { class: "curve", x1: x(before.number), y1: y(Number(before.figure)), x2: x(round.number), y2: y(Number(round.figure)) });
  });
  const step = Math.ceil((last - first + 1) / 12);
  const lines = [...new Set([min, (min + max) / 2, max])].flatMap((v) => [
    svg("line", { class: "grid", x1: left, x2: w - 10, y1: y(v), y2: y(v) }),
    svg("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, v.toPrecision(4))]);
  const numbers = [...new Set(known.map((round) => round.number))].filter((number) => (number - first) % step === 0);
  const marks = numbers.map((number) => svg("text", { x: x(number), y: h - 8, "text-anchor": "middle" }, String(number)));
  const dots = known.map((round) => svg("circle", { class: Number(round.figure) === best ? "dot best" : "dot", cx: x(round.number), cy: y(Number(round.figure)), r: 4 },
    svg("title", {}, `Round ${round.number}: ${round.figure} ${round.unit}`)));
  return svg("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": title }, svg("text", { x: left, y: 12 }, title), ...lines, ...marks,
    ...steps, ...dots);
}

function tree(members) {
  // A round stands right of the one it was built on; a round whose place is taken opens a new lane below.
  const shown = members.slice(-TREE), places = new Map(), taken = new Set(), depth = 82, lane = 46;
  for (const round of shown) {
    const parent = places.get(round.previous), column = parent ? parent.column + 1 : round.number - shown[0].number;
    let row = parent ? parent.row : 0;
    while (taken.has(`${column},${row}`)) row += 1;
    taken.add(`${column},${row}`);
    places.set(round.cid, { column, row });
  }
  const x = (p) => 26 + p.column * depth, y = (p) => 40 + p.row * lane, all = [...places.values()];
  const w = Math.max(520, 60 + Math.max(...all.map((p) => p.column)) * depth), h = 80 + Math.max(...all.map((p) => p.row)) * lane;
  const edges = shown.filter((round) => places.has(round.previous)).map((round) => {
    const [a, b] = [places.get(round.previous), places.get(round.cid)];
    return svg("path", { class: "edge", d: `M${x(a) + 15},${y(a)} C${x(a) + 45},${y(a)} ${x(b) - 45},${y(b)} ${x(b) - 15},${y(b)}` });
  });
  const knots = shown.map((round) => {
    const p = places.get(round.cid);
    const told = [`Round ${round.number}`, round.cid, ...round.fused.map((part) => `${short(part.vehicle, 8)} × ${part.weight}`)].join("\n");
    return svg("g", { class: "knot" }, svg("circle", { class: "dot", cx: x(p), cy: y(p), r: 14 }), svg("title", {}, told),
      svg("text", { x: x(p), y: y(p) + 4, "text-anchor": "middle" }, String(round.number)),
      svg("text", { x: x(p), y: y(p) + 28, "text-anchor": "middle" }, round.fused.length ? `${round.fused.length} fused` : ""));
  });
  return el("div", { class: "wide" }, svg("svg", { viewBox: `0 0 ${w} ${h}`, width: w, class: w > 520 ? "natural" : "", role: "img", "aria-label": "Family tree of rounds" },
    svg("text", { x: 2, y: 12 }, "family tree: what each round was built on"), ...edges, ...knots));
}
