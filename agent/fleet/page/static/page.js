// The fleet page. News comes by server-sent events; each section is drawn at most once per frame, and only when
// something in it changed. Everything from the fleet goes into the page as text, never as markup.

const STATES = ["opened", "chosen", "training", "arrived", "trained", "stored", "signed", "entered", "settled", "closing"];
const FEW = 20, MANY = 200;
const shown = { vehicles: FEW, contributions: FEW, payments: FEW };
const vehicles = new Map(), jobs = new Map(), rounds = new Map(), payments = new Map();
let counts = {}, transactions = "", skew = 0, alone = null;

const parts = location.pathname.split("/").filter(Boolean).map(decodeURIComponent);
if (parts[0] === "vehicle") alone = `${parts[1]}/${parts[2]}`;

const byName = new Intl.Collator(undefined, { numeric: true }).compare;
const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null).map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// --- words and numbers

function units(stroops, places = 2) {
  if (stroops === undefined || stroops === null || !/^-?\d+$/.test(String(stroops))) return "";
  const value = BigInt(stroops), sign = value < 0n ? "−" : "", size = value < 0n ? -value : value;
  const whole = (size / 10000000n).toString().replace(/\B(?=(\d{3})+$)/g, " ");
  return sign + whole + "." + (size % 10000000n).toString().padStart(7, "0").slice(0, places);
}

function ago(at) {
  const seconds = Math.max(0, Date.now() / 1000 + skew - at);
  if (!at) return "never";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}

const short = (text, size = 10) => (text && text.length > size + 2 ? text.slice(0, size) + "…" : text || "");
const word = (kind, text) => el("span", { class: `word ${kind}` }, text);
const online = (v) => word({ online: "good", stopped: "none", offline: "bad" }[v.status] || "none", v.status);
const healthy = (v) => (v.healthy === null ? word("none", "unknown") : v.healthy ? word("good", "healthy") : word("bad", "not healthy"));
const fresh = (v) => word(v.fresh ? "good" : "warn", ago(v.saidAt));
const verdict = (job) => word({ accepted: "good", rejected: "bad", idle: "none", silent: "warn" }[job.outcome] || "none", job.outcome || job.state);
const attention = (v) => (v.status === "offline") * 4 + (v.healthy === false) * 2 + (!v.fresh && v.status === "online") * 1;

function vehicleLink(key) {
  const vehicle = vehicles.get(key), [fleet, ...rest] = key.split("/");
  if (!rest.length) return el("span", { title: key }, short(key));
  return el("a", { href: `/vehicle/${encodeURIComponent(fleet)}/${encodeURIComponent(rest.join("/"))}` }, vehicle ? vehicle.id : rest.join("/"));
}

function transaction(name, hash) {
  if (!hash) return null;
  if (!transactions) return el("span", { title: hash }, name, " ", short(hash, 6));
  return el("a", { href: transactions.replace("{hash}", encodeURIComponent(hash)), rel: "noreferrer", title: hash }, name);
}

function doing(v) {
  const job = (v.about.jobs || []).at(-1), training = v.about.training;
  const text = [job ? `${job.job}: ${job.state}` : "", training ? `${training.samples ?? 0} samples` : ""].filter(Boolean).join(", ");
  return v.troubles.length ? el("div", {}, text, el("div", { class: "trouble" }, v.troubles[0])) : text;
}

// --- sections

function drawCounts() {
  const share = (n) => el("small", {}, ` of ${counts.vehicles}`);
  const outcomes = counts.outcomes || {};
  const tiles = alone ? [] : [
    ["Vehicles", counts.vehicles], ["Online", counts.online, share()], ["Healthy", counts.healthy, share()], ["Fresh", counts.fresh, share()],
    ["Accepted", outcomes.accepted || 0], ["Rejected", outcomes.rejected || 0], ["Paid, XLM", units(counts.paid)],
  ];
  if (counts.missed) tiles.push(["Events missing", counts.missed]);
  $("counts").replaceChildren(...tiles.map(([name, ...value]) => el("div", {}, el("dt", {}, name), el("dd", {}, ...value))));
}

function drawJobs() {
  const states = {};
  if (alone) for (const job of jobs.values()) { if (!job.over) states[job.state] = (states[job.state] || 0) + 1; }
  else Object.assign(states, counts.states);
  $("states").replaceChildren(...STATES.map((state) =>
    el("li", { class: states[state] ? "some" : "none" }, el("b", {}, states[state] || 0), state)));
  if (!alone) return;
  const mine = [...jobs.values()].sort((a, b) => b.at - a.at).slice(0, 20);
  $("paths").replaceChildren(...mine.map((job) => el("div", {},
    el("h3", { class: "faint" }, `${job.id} · ${job.facts.reason || job.state}`),
    el("ol", { class: "path" }, ...job.path.map(([kind, at]) => el("li", { title: new Date(at * 1000).toLocaleString() }, kind))))));
}

const rowsOf = new Map();  // a row is kept as long as its vehicle's card stays the same object

function vehicleRow(v) {
  const kept = rowsOf.get(v.key);
  if (kept && kept.card === v && Date.now() - kept.drawn < 5000) return kept.row;
  const row = el("tr", {}, el("td", {}, vehicleLink(v.key)), el("td", {}, online(v)), el("td", {}, healthy(v)), el("td", {}, fresh(v)),
    el("td", {}, doing(v)), el("td", { class: "n" }, v.outcomes.accepted || 0), el("td", { class: "n" }, v.outcomes.rejected || 0),
    el("td", { class: "n" }, units(v.paid)));
  rowsOf.set(v.key, { card: v, row, drawn: Date.now() });
  return row;
}

function drawVehicles() {
  const wanted = $("search").value.toLowerCase(), which = $("which").value;
  const keep = {
    all: () => true, attention: (v) => attention(v) > 0, online: (v) => v.status === "online",
    unhealthy: (v) => v.healthy === false, stale: (v) => !v.fresh,
  }[which];
  const found = [...vehicles.values()].filter((v) => keep(v) &&
    (!wanted || v.key.toLowerCase().includes(wanted) || String(v.about.account || "").toLowerCase().includes(wanted) || v.troubles.join(" ").toLowerCase().includes(wanted)));
  found.sort((a, b) => attention(b) - attention(a) || byName(a.key, b.key));
  $("shown").textContent = `${found.length} found, those in need first`;
  $("vehicle-rows").replaceChildren(...cut("vehicles", found, vehicleRow));
}

function drawContributions() {
  const made = [...jobs.values()].filter((job) => job.facts.contribution || job.facts.transaction).sort((a, b) => b.at - a.at);
  $("contribution-rows").replaceChildren(...cut("contributions", made, (job) => {
    const f = job.facts, links = [transaction("entry", f.transaction), transaction("settlement", f.settlement), transaction("closing", f.closing)];
    const round = f.round ? el("span", { title: f.round }, f.number !== undefined ? `${(f.model || "").split(":")[0]} ${f.number}` : short(f.round)) : "";
    return el("tr", {}, el("td", {}, vehicleLink(job.vehicle)), el("td", {}, job.id), el("td", {}, round),
      el("td", {}, verdict(job), f.reason && job.outcome !== "accepted" ? el("div", { class: "faint" }, f.reason) : null),
      el("td", { class: "n" }, units(f.credit, 4)), el("td", { class: "n" }, units(f.stake)), el("td", { class: "n" }, units(f.paid)),
      el("td", {}, ...links.filter(Boolean).flatMap((link) => [link, " "])), el("td", { class: "faint" }, ago(job.at)));
  }));
}

function drawPayments() {
  const every = [...payments.values()], sums = new Map();
  for (const p of alone ? [] : every) {
    const [from, to] = [p.from, p.to].map((name) => (name.includes("/") ? "all vehicles" : name)), key = [from, to, p.asset, p.why].join("|");
    const sum = sums.get(key) || { from, to, asset: p.asset, why: p.why, amount: 0n, times: 0 };
    sums.set(key, { ...sum, amount: sum.amount + BigInt(p.amount), times: sum.times + p.times });
  }
  every.sort((a, b) => (BigInt(b.amount) > BigInt(a.amount) ? 1 : -1));
  $("payment-rows").replaceChildren(...cut("payments", [...sums.values(), ...every], (p) => el("tr", {}, el("td", {}, vehicleLink(p.from)), el("td", {}, vehicleLink(p.to)),
    el("td", {}, p.why), el("td", { class: "n" }, units(p.amount, 7)), el("td", {}, p.asset), el("td", { class: "n" }, p.times))));
}

function cut(name, items, row) {
  const rows = items.slice(0, shown[name]).map(row);
  if (items.length > shown[name]) {
    const more = el("button", { type: "button" }, `Show more (${items.length - shown[name]})`);
    more.addEventListener("click", () => { shown[name] = MANY; plan(name); });
    rows.push(el("tr", {}, el("td", { colspan: 9 }, shown[name] < MANY ? more : el("span", { class: "faint" }, `${items.length - MANY} more: search for them`))));
  }
  return rows;
}

function drawRounds() {
  const models = new Map();
  for (const round of rounds.values()) {
    const name = round.model || "not read yet";
    if (!models.has(name)) models.set(name, []);
    models.get(name).push(round);
  }
  $("models").replaceChildren(...[...models].map(([name, members]) => {
    members.sort((a, b) => a.number - b.number);
    return el("div", { class: "model" }, el("h3", {}, name.split(":")[0], " ", el("span", { class: "faint" }, short(name.split(":")[1] || "", 12))),
      el("div", { class: "pair" }, curve(members), tree(members)));
  }));
  if (!models.size) $("models").replaceChildren(el("p", { class: "faint" }, "No vehicle has chosen a round yet."));
}

function curve(members) {
  const known = members.filter((round) => round.figure !== null);
  if (!known.length) return el("p", { class: "faint" }, "The rounds' figures come from the content store; none could be read yet.");
  const [w, h, left, low] = [520, 230, 48, 28], values = known.map((round) => Number(round.figure));
  const [min, max] = [Math.min(...values), Math.max(...values)], [first, last] = [known[0].number, known[known.length - 1].number];
  const x = (n) => left + ((n - first) / Math.max(1, last - first)) * (w - left - 24);
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
  const shown = members.slice(-40), places = new Map(), taken = new Set(), depth = 82, lane = 46;
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

// --- news

const sections = { counts: drawCounts, jobs: drawJobs, vehicles: drawVehicles, contributions: drawContributions, payments: drawPayments, rounds: drawRounds };
const dirty = new Set(Object.keys(sections));
let planned = false;

function plan(...names) {
  names.forEach((name) => dirty.add(name));
  if (planned) return;
  planned = true;
  requestAnimationFrame(draw);
}

function draw() {
  // One section a frame, then a breath: a large fleet never holds up a scroll.
  planned = false;
  const [name] = dirty;
  if (name === undefined) return;
  dirty.delete(name);
  sections[name]();
  planned = true;
  setTimeout(() => requestAnimationFrame(draw), 60);
}

function take(news) {
  if (news.first) [vehicles, jobs, rounds, payments].forEach((map) => map.clear());
  for (const v of news.vehicles) vehicles.set(v.key, v);
  for (const j of news.jobs) { jobs.delete(j.key); jobs.set(j.key, j); }
  for (const r of news.rounds) rounds.set(r.cid, r);
  for (const p of news.payments) payments.set([p.from, p.to, p.asset, p.why].join("|"), p);
  for (const key of jobs.keys()) { if (jobs.size <= 600) break; jobs.delete(key); }
  counts = news.counts; transactions = news.transactions; skew = news.now - Date.now() / 1000;
  if (alone) $("title").textContent = alone;
  $("link").className = news.broker ? "" : "lost";
  $("link").textContent = news.broker ? "live" : "the broker is away";
  performance.mark("news");
  plan("counts", ...(news.vehicles.length ? ["vehicles"] : []), ...(news.jobs.length ? ["jobs", "contributions", "vehicles"] : []),
    ...(news.rounds.length ? ["rounds"] : []), ...(news.payments.length ? ["payments"] : []));
}

const live = new EventSource(alone ? `/live?vehicle=${encodeURIComponent(alone)}` : "/live");
live.onmessage = (event) => take(JSON.parse(event.data));
live.onerror = () => { $("link").className = "lost"; $("link").textContent = "the page's server is away"; };
$("search").addEventListener("input", () => plan("vehicles"));
$("which").addEventListener("change", () => plan("vehicles"));
setInterval(() => plan("vehicles", "contributions"), 5000);
if (alone) { document.querySelector(".tools").hidden = true; $("jobs").before($("vehicles")); }
