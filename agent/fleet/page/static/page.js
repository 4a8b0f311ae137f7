// The fleet page. News comes by server-sent events and is only put away; what changed is drawn in steps, as many as a frame
// has time for.

import { model } from "./rounds.js";
import { Rows } from "./rows.js";
import { ago, clock, el, prose, short, units, word } from "./words.js";

const TABLES = await (await fetch("/assets/states.json")).json();  // drawn from the code by `make states`
const STATES = Object.entries(TABLES.contribution.states).filter(([, owed]) => owed !== null).map(([state]) => state);
const FEW = 20, MANY = 100;  // rows of a list, at first and at most
const FRAME_MS = 6;  // of drawing in each frame
const TICK_MS = 5000;  // until "now" may have become "1 min ago"
const STRIDE = 500;  // vehicles or payments looked through in one step
const MAX_JOBS = 600, MAX_ROUNDS = 2000;  // the server lets go of what is older, and does not say of which

const $ = (id) => document.getElementById(id);
const limits = { vehicles: FEW, contributions: FEW, payments: FEW };
const vehicles = new Map(), jobs = new Map(), rounds = new Map(), payments = new Map(), sums = new Map();
let counts = {}, transactions = "", names = [];

const parts = location.pathname.split("/").filter(Boolean).map(decodeURIComponent);
const alone = parts[0] === "vehicle" ? `${parts[1]}/${parts[2]}` : null;

// --- what a cell says

const KINDS = { online: "good", stopped: "none", offline: "bad", accepted: "good", rejected: "bad", idle: "none", silent: "warn" };
const health = (v) => (v.healthy === null ? "unknown" : v.healthy ? "healthy" : "not healthy");
const healthKind = (v) => (v.healthy === null ? "none" : v.healthy ? "good" : "bad");
const lastWord = (v) => (v.status === "online" ? "" : " past");  // what an absent vehicle said is its last word, no more

function doing(v) {
  const job = v.about.jobs.at(-1), training = v.about.training;
  return [job && `${job.state} · ${job.job}`, training && `${training.samples} samples`].filter(Boolean).join(" · ");
}

function vehicleLink(key) {
  const [fleet, ...rest] = key.split("/");
  if (!rest.length) return el("span", { title: key }, short(key));
  const id = rest.join("/");
  return el("a", { href: `/vehicle/${encodeURIComponent(fleet)}/${encodeURIComponent(id)}` }, id);
}

function transaction(name, hash) {
  if (!hash) return null;
  if (!transactions) return el("span", { title: hash }, `${name} ${short(hash, 6)} `);
  return [el("a", { href: transactions.replace("{hash}", encodeURIComponent(hash)), rel: "noreferrer", title: hash }, name), " "];
}

const said = ({ facts: f }) => [["entry", f.transaction], ["settlement", f.settlement], ["closing", f.closing]];
const why = (job) => (job.outcome === "accepted" ? "" : job.facts.reason || "");
const roundOf = ({ facts: f }) => (f.round === undefined ? "" : f.number === undefined ? short(f.round) : `${String(f.model || "").split(":")[0]} ${f.number}`);

// The round's figure on the roads of this trip, beside that of the round before it; "" where there is none.
function onItsRoads({ facts: f }) {
  if (typeof f.shadow !== "number") return "";
  const unit = { deg: " deg" }[rounds.get(f.round)?.unit] ?? "", figure = (value) => `${value.toPrecision(3)}${unit}`;
  const before = typeof f.shadow_last === "number" ? `, was ${figure(f.shadow_last)}` : "";
  return `${f.shadow_worse === true ? "worse: " : ""}${figure(f.shadow)} here${before}`;
}

const lists = {
  vehicles: new Rows($("vehicle-rows"), [
    { name: "who", text: (v) => v.key, node: (v) => vehicleLink(v.key) },
    { name: "online", text: (v) => v.status, node: (v) => word(KINDS[v.status] || "none", v.status) },
    { name: "healthy", text: (v) => health(v) + lastWord(v), node: (v) => word(healthKind(v) + lastWord(v), health(v)) },
    { name: "fresh", text: (v) => `${ago(v.saidAt)} ${v.fresh}${lastWord(v)}`, node: (v) => word((v.fresh ? "good" : "warn") + lastWord(v), ago(v.saidAt)) },
    { name: "doing", text: (v) => `${doing(v)}\n${v.troubles[0] || ""}`, node: (v) => [doing(v), v.troubles.length ? el("div", { class: "trouble" }, ...prose(v.troubles[0])) : null] },
    { name: "n accepted", label: "accepted", text: (v) => String(v.outcomes.accepted || 0) },
    { name: "n rejected", label: "rejected", text: (v) => String(v.outcomes.rejected || 0) },
    { name: "n paid", label: "XLM", text: (v) => units(v.paid) },
  ], (v) => v.key),
  contributions: new Rows($("contribution-rows"), [
    { name: "who", text: (job) => job.vehicle, node: (job) => vehicleLink(job.vehicle) },
    { name: "job", text: (job) => job.id },
    { name: "round", text: (job) => `${roundOf(job)}\n${onItsRoads(job)}`, node: (job) => [el("span", { title: job.facts.round ?? "" }, roundOf(job)), el("div", { class: job.facts.shadow_worse === true ? "trouble" : "faint" }, onItsRoads(job))] },
    { name: "verdict", text: (job) => `${job.outcome || job.state}\n${why(job)}`, node: (job) => [word(KINDS[job.outcome] || "none", job.outcome || job.state), why(job) ? el("div", { class: "faint" }, why(job)) : null] },
    { name: "n credit", label: "VLM", text: (job) => units(job.facts.credit, 4) },
    { name: "n stake", label: "DLC staked", text: (job) => units(job.facts.stake) },
    { name: "n paid", label: "XLM", text: (job) => units(job.facts.paid) },
    { name: "links", text: (job) => said(job).map(([, hash]) => hash || "").join(), node: (job) => said(job).map(([name, hash]) => transaction(name, hash)).flat() },
    { name: "when faint", text: (job) => ago(job.at) },
  ], (job) => job.key),
  payments: new Rows($("payment-rows"), [
    { name: "from", text: (p) => p.from, node: (p) => vehicleLink(p.from) },
    { name: "to", text: (p) => p.to, node: (p) => vehicleLink(p.to) },
    { name: "for", text: (p) => p.why },
    { name: "n amount", text: (p) => units(p.amount, 7) },
    { name: "asset", text: (p) => p.asset },
    { name: "n times", label: "times", text: (p) => String(p.times) },
  ], (p) => p.key),
};

function* list(name, items, found, nothing) {
  yield* lists[name].show(items);
  const left = found - items.length, button = $(`${name}-more`), note = $(`${name}-note`);
  button.hidden = !left || limits[name] === MANY;
  button.textContent = `Show more (${left})`;
  note.textContent = !found ? nothing : left && button.hidden ? `${left} more` : "";
}

// --- sections, each drawn in steps

const tiles = new Map();

function tile(name, value, rest = "", kind = "") {
  if (!tiles.has(name)) {
    const parts = [el("dt", {}, name), el("dd", {}, "", el("small"))], node = el("div", {}, ...parts);
    tiles.set(name, { node, dd: parts[1], said: "" });
    $("counts").append(node);
  }
  const { node, dd, said } = tiles.get(name), now = `${value}|${rest}|${kind}`;
  if (said === now) return;
  tiles.get(name).said = now;
  dd.firstChild.data = value;
  dd.lastChild.textContent = rest;
  node.className = kind;
}

function* drawCounts() {
  if (alone) return;
  const rest = ` of ${counts.vehicles}`, outcomes = counts.outcomes || {};
  tile("Vehicles", counts.vehicles);
  tile("Need attention", counts.attention, "", counts.attention ? "bad" : "");
  for (const name of ["online", "healthy", "fresh"]) tile(name[0].toUpperCase() + name.slice(1), counts[name], rest);
  tile("Accepted", outcomes.accepted || 0);
  tile("Rejected", outcomes.rejected || 0);
  tile("Paid, XLM", units(counts.paid));
  if (counts.missed || tiles.has("Events missing")) tile("Events missing", counts.missed, "", counts.missed ? "bad" : "");
}

const stages = STATES.map((state) => {
  const number = el("b", {}, "0"), node = el("li", { class: "none" }, number, state);
  $("states").append(node);
  return { state, number, node };
});

function* drawJobs() {
  const states = alone ? {} : counts.states;
  if (alone) for (const job of jobs.values()) if (!job.over) states[job.state] = (states[job.state] || 0) + 1;
  for (const { state, number, node } of stages) {
    number.textContent = states[state] || 0;
    node.className = states[state] ? "some" : "none";
  }
  if (!alone) return;
  const mine = [...jobs.values()].sort((a, b) => b.at - a.at).slice(0, FEW);
  yield;
  $("paths").replaceChildren(...mine.map((job) => el("div", {},
    el("h3", { class: "faint" }, `${job.id} · ${job.facts.reason || job.state}`),
    el("ol", { class: "path" }, ...job.path.map(([kind, at]) => el("li", { title: new Date(at * 1000).toLocaleString() }, kind))))));
}

const FILTERS = {
  all: () => true, attention: (v) => v.need > 0, online: (v) => v.status === "online",
  unhealthy: (v) => v.healthy === false, stale: (v) => !v.fresh,
};

function* drawVehicles() {
  const wanted = $("search").value.toLowerCase(), keep = FILTERS[$("which").value], most = limits.vehicles;
  if (names.length !== vehicles.size) names = [...vehicles.values()].sort((a, b) => (a.order < b.order ? -1 : 1)).map((v) => v.key);
  yield;
  const byNeed = Array.from({ length: 8 }, () => []);  // the names are in order: what is left is to part them by need
  let found = 0, looked = 0;
  for (const key of names) {
    if (++looked % STRIDE === 0) yield;
    const v = vehicles.get(key);
    if (v === undefined || !keep(v) || (wanted && !v.hay.includes(wanted))) continue;
    found += 1;
    if (byNeed[v.need].length < most) byNeed[v.need].push(v);
  }
  $("shown").textContent = `${found} found, those in need first`;
  yield* list("vehicles", byNeed.reverse().flat().slice(0, most), found, "No vehicle was found.");
}

function* drawAbout() {
  const v = vehicles.get(alone);
  if (v === undefined) return;
  const { account, software, profile, trip, training } = v.about, km = (metres) => `${(metres / 1000).toFixed(1)} km`;
  const facts = [
    ["Account", account], ["Software", [software, profile].filter(Boolean).join(" on ")],
    ["Trip", trip && `${trip.phase}, ${km(trip.metres)} since the last one ended, ${km(trip.total)} in all`],
    ["Training", training && `${training.samples} samples, ${training.steps} steps, loss ${training.loss?.toFixed(4) ?? "–"}, on ${training.device}`],
    ["Troubles", v.troubles.length && el("ul", {}, ...v.troubles.map((trouble) => el("li", { class: "trouble" }, ...prose(trouble))))],
  ];
  $("about").replaceChildren(...facts.filter(([, fact]) => fact).flatMap(([name, fact]) => [el("dt", {}, name), el("dd", {}, fact)]));
}

function* drawContributions() {
  const made = [...jobs.values()].filter((job) => job.facts.contribution || job.facts.transaction).sort((a, b) => b.at - a.at);
  yield* list("contributions", made.slice(0, limits.contributions), made.length, "Nothing was contributed yet.");
}

function* drawPayments() {
  const largest = [];  // in order, the largest first
  let looked = 0;
  for (const p of payments.values()) {
    if (++looked % STRIDE === 0) yield;
    if (largest.length === limits.payments && p.size <= largest.at(-1).size) continue;
    let place = largest.length;
    while (place > 0 && largest[place - 1].size < p.size) place -= 1;
    largest.splice(place, 0, p);
    if (largest.length > limits.payments) largest.pop();
  }
  const all = [...(alone ? [] : sums.values()), ...largest];
  yield* list("payments", all.slice(0, limits.payments), (alone ? 0 : sums.size) + payments.size, "Nobody paid anything yet.");
}

function* drawRounds() {
  const models = new Map();
  for (const round of rounds.values()) {
    const name = round.model || "not read yet";
    if (!models.has(name)) models.set(name, []);
    models.get(name).push(round);
  }
  const drawn = [];
  for (const [name, members] of models) {
    drawn.push(model(name, members.sort((a, b) => a.number - b.number)));
    yield;
  }
  $("models").replaceChildren(...(drawn.length ? drawn : [el("p", { class: "faint" }, "No vehicle has chosen a round yet.")]));
}

// --- drawing

const sections = {
  counts: drawCounts, about: drawAbout, jobs: drawJobs, vehicles: drawVehicles, contributions: drawContributions,
  payments: drawPayments, rounds: drawRounds,
};
const dirty = new Set(Object.keys(sections));
let drawing = null, planned = false, known = "";

function plan(...which) {
  which.forEach((name) => dirty.add(name));
  if (planned) return;
  planned = true;
  requestAnimationFrame(draw);
}

function draw() {
  const until = performance.now() + FRAME_MS;
  do {
    if (drawing === null) {
      const [name] = dirty;
      if (name === undefined) {
        planned = false;
        document.body.dataset.drawn = known;
        return;
      }
      dirty.delete(name);  // what changes from now on makes it dirty again
      drawing = sections[name]();
    }
    try {
      if (drawing.next().done) drawing = null;
    } catch (error) {
      drawing = null;  // one section that cannot be drawn does not take the others along
      console.error(error);
    }
  } while (performance.now() < until);
  requestAnimationFrame(draw);
}

// --- news

function putVehicle(v) {
  v.order = vehicles.get(v.key)?.order ?? v.key.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
  v.hay = `${v.key} ${v.about.account} ${v.troubles.join(" ")}`.toLowerCase();
  vehicles.set(v.key, v);
}

function putRound(r) {
  const before = rounds.get(r.cid);
  rounds.delete(r.cid);
  rounds.set(r.cid, r);
  for (const cid of rounds.keys()) { if (rounds.size <= MAX_ROUNDS) break; rounds.delete(cid); }
  return JSON.stringify(before) !== JSON.stringify(r);
}

function putPayment(p) {
  p.key = [p.from, p.to, p.asset, p.why].join("|");
  p.size = Number(p.amount);
  const before = payments.get(p.key) || { amount: "0", times: 0 };
  payments.set(p.key, p);
  const [from, to] = [p.from, p.to].map((name) => (name.includes("/") ? "all vehicles" : name)), key = ["all", from, to, p.asset, p.why].join("|");
  const sum = sums.get(key) || { key, from, to, asset: p.asset, why: p.why, amount: 0n, times: 0 };
  sums.set(key, { ...sum, amount: sum.amount + BigInt(p.amount) - BigInt(before.amount), times: sum.times + p.times - before.times });
}

function take(news) {
  if (news.first) {
    [vehicles, jobs, rounds, payments, sums].forEach((map) => map.clear());
    names = [];
    plan(...Object.keys(sections));
  }
  news.vehicles.forEach(putVehicle);
  for (const job of news.jobs) { jobs.delete(job.key); jobs.set(job.key, job); }
  for (const key of jobs.keys()) { if (jobs.size <= MAX_JOBS) break; jobs.delete(key); }
  news.payments.forEach(putPayment);
  if (news.rounds.filter(putRound).length) plan("rounds");
  counts = news.counts; transactions = news.transactions; clock.skew = news.now - Date.now() / 1000;
  link(news.broker ? "live" : "the broker is away", news.broker);
  plan("counts", ...(news.vehicles.length ? ["vehicles", "about"] : []), ...(news.jobs.length ? ["jobs", "contributions"] : []), ...(news.payments.length ? ["payments"] : []));
}

function link(text, good) {
  if ($("link").textContent === text) return;
  $("link").textContent = text;
  $("link").className = good ? "word good" : "word bad";
}

const live = new EventSource(alone ? `/live?vehicle=${encodeURIComponent(alone)}` : "/live");
live.onmessage = (event) => {
  take(JSON.parse(event.data));
  known = event.lastEventId;  // of the last piece that came whole
};
live.onerror = () => link("the page's server is away", false);
$("search").addEventListener("input", () => plan("vehicles"));
$("which").addEventListener("change", () => plan("vehicles"));
for (const name of Object.keys(limits)) $(`${name}-more`).addEventListener("click", () => { limits[name] = MANY; plan(name); });
setInterval(() => plan("vehicles", "contributions"), TICK_MS);
if (alone) {
  $("title").textContent = parts[2];
  $("title").append(" ", el("small", { class: "faint" }, parts[1]));
  document.title = `${parts[2]} · Milepost`;
  document.body.classList.add("alone");
  $("vehicles-title").textContent = "Now";
  $("jobs").before($("vehicles"));
}
