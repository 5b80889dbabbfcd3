"use strict";

const SVG = "http://www.w3.org/2000/svg";
const $ = (id) => document.getElementById(id);

/** Text only ever becomes text: ids come from anywhere. */
function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function row(...cells) {
  const made = document.createElement("tr");
  for (const [text, kind] of cells) {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (kind) cell.className = kind;
    made.append(cell);
  }
  return made;
}

/** Nowhere but here: who closes or reloads the page is asked for it again. */
let token = null;

async function ask(path) {
  const headers = { accept: "application/json" };
  const borne = token;
  if (borne !== null) headers.authorization = `Bearer ${borne}`;
  const answer = await fetch(path, { headers });
  const told = await answer.json();
  // Unless another one was entered meanwhile.
  if (answer.status === 401 && borne === token) askForToken(borne === null ? "" : "that is another token");
  if (!answer.ok) throw new Error(`${told.error}; ${told.mend}`);
  return told;
}

function askForToken(why) {
  if ($("door").hidden) $("refused").textContent = why;
  $("door").hidden = false;
  document.querySelector("main").hidden = true;
  // A browser would follow these links without the token.
  document.querySelector("footer").hidden = true;
}

function age(seconds) {
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${unit}${count > 1 ? "s" : ""} old`;
  }
  return "just trained";
}

const seconds = (value) => (value < 1 ? `${Math.round(1000 * value)} ms` : `${value.toFixed(1)} s`);

/** Models in columns: each one right of all that it reads. */
function drawChain(lineage) {
  const depth = {};
  const deep = (model) => (depth[model] ??= Math.max(-1, ...lineage.graph[model].map(deep)) + 1);
  const columns = [];
  for (const model of Object.keys(lineage.graph)) (columns[deep(model)] ??= []).push(model);
  const [width, height, gapX, gapY] = [190, 58, 60, 18];
  const tallest = Math.max(...columns.map((column) => column.length));
  const total = tallest * (height + gapY) - gapY;
  const place = {};
  columns.forEach((column, x) => {
    const top = (total - column.length * (height + gapY) + gapY) / 2;
    column.forEach((model, y) => (place[model] = { x: 2 + x * (width + gapX), y: 2 + top + y * (height + gapY) }));
  });
  const drawn = [];
  for (const [model, reads] of Object.entries(lineage.graph)) {
    for (const parent of reads) {
      const [from, to] = [place[parent], place[model]];
      const [x1, y1, x2, y2] = [from.x + width, from.y + height / 2, to.x, to.y + height / 2];
      const bend = (x1 + x2) / 2;
      drawn.push(element("path", { class: "edge", d: `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}` }));
    }
  }
  const now = Date.now() / 1000;
  for (const [model, at] of Object.entries(place)) {
    const current = lineage.current[model];
    const due = lineage.due[model];
    const group = element("g", { transform: `translate(${at.x} ${at.y})` });
    group.append(element("rect", { class: due ? "box due" : "box", width, height, rx: 6 }));
    group.append(element("text", { x: 10, y: 19, "font-weight": 600 }, model));
    const id = current ? current.space_id.slice(model.length + 1) : "never trained";
    group.append(element("text", { class: "small", x: 10, y: 35 }, id));
    const told = due ? "due" : current ? age(now - current.trained_at) : "";
    const legacy = lineage.legacy[model] ? ", legacy kept" : "";
    const line = element("text", { class: due ? "why" : "small", x: 10, y: 50 }, told + legacy);
    if (due) line.append(element("title", {}, due.join("; ")));
    group.append(line);
    drawn.push(group);
  }
  const chain = $("chain");
  const right = columns.length * (width + gapX) - gapX + 4;
  chain.setAttribute("viewBox", `0 0 ${right} ${total + 4}`);
  chain.style.maxWidth = `${right}px`;
  chain.replaceChildren(...drawn);
  $("served").textContent = `${lineage.chain}: ${Object.values(lineage.served)[0]}`;
}

function drawStatus(status) {
  const told = [
    ["users", status.users.toLocaleString()],
    ["vectors", status.vectors.toLocaleString()],
    ["workers", status.workers.toLocaleString()],
    ["messages waiting", status.waiting.toLocaleString()],
    ["the oldest has waited", status.oldest === null ? "–" : seconds(Math.max(0, Date.now() / 1000 - status.oldest))],
    ["from event to vector, median", status.freshness ? seconds(status.freshness.median) : "–"],
    ["from event to vector, 99 of 100", status.freshness ? seconds(status.freshness.p99) : "–"],
    ["could not be used", status.dead.toLocaleString()],
  ];
  $("state").replaceChildren(
    ...told.flatMap(([name, value]) => {
      const [term, definition] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      definition.textContent = value;
      return [term, definition];
    }),
  );
}

let deadShown = 0;

/** Why the latest of those that could not be used couldn't, each reason once with how often; asked anew when their number changes. */
async function drawDead(count) {
  if (count === deadShown) return;
  const { messages } = await ask("/v1/dead");
  const reasons = new Map();
  for (const { reason } of messages) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  $("reasons").tBodies[0].replaceChildren(
    ...[...reasons].slice(0, 10).map(([reason, often]) => row([reason], [often.toLocaleString(), "number"])),
  );
  $("dead").hidden = !messages.length;
  deadShown = count;
}

/** The cosine of each moment's vector with the latest one, from the earliest moment on. */
function drawMoves(moves) {
  const [width, height, left, bottom] = [420, 190, 42, 24];
  const points = [...moves].reverse();
  const low = Math.min(0.9, ...points.map((move) => move.latest));
  const x = (place) => left + ((width - left - 8) * place) / Math.max(1, points.length - 1);
  const y = (cosine) => 8 + ((height - bottom - 8) * (1 - cosine)) / Math.max(1e-6, 1 - low);
  const drawn = [1, low].flatMap((value) => [
    element("path", { class: "edge", d: `M${left} ${y(value)}H${width}` }),
    element("text", { class: "small", x: 2, y: y(value) + 4 }, value.toFixed(2)),
  ]);
  drawn.push(element("path", { class: "curve", d: points.map((move, i) => `${i ? "L" : "M"}${x(i)} ${y(move.latest)}`).join("") }));
  points.forEach((move, place) => {
    const dot = element("circle", { class: "dot", cx: x(place), cy: y(move.latest), r: 3 });
    const when = new Date(1000 * move.as_of).toISOString().slice(0, 19).replace("T", " ");
    dot.append(element("title", {}, `${when}, ${move.events} events, cosine with the latest ${move.latest.toFixed(3)}`));
    drawn.push(dot);
  });
  drawn.push(element("text", { class: "small", x: left, y: height - 6 }, `cosine with the latest vector, after ${points.length} moments`));
  const chart = $("moves");
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  chart.replaceChildren(...drawn);
}

/** How often somebody was asked about: an answer that comes after a later question isn't shown. */
let questions = 0;

async function showUser(userId) {
  const mine = ++questions;
  $("message").textContent = "";
  try {
    const user = await ask(`/v1/users/${encodeURIComponent(userId)}`);
    if (mine !== questions) return;
    const told = [`${user.events.toLocaleString()} events`];
    for (const [name, word] of Object.entries(user.categories)) told.push(`${name} ${word}`);
    if (user.artists.length) told.push(`picked ${user.artists.join(", ")}`);
    if (user.languages.length) told.push(`languages ${user.languages.join(", ")}`);
    $("known").textContent = told.join(" · ");
    drawMoves(user.moves);
    $("near").tBodies[0].replaceChildren(...user.near.map((one) => row([one.id], [one.score.toFixed(2), "number"])));
    $("recent").tBodies[0].replaceChildren(
      ...user.recent.slice(0, 15).map((event) => {
        const when = new Date(1000 * event.timestamp).toISOString().slice(0, 16).replace("T", " ");
        return row([when, "number"], [event.item_id ?? "an item that no model knows"], [event.feedback]);
      }),
    );
    $("portrait").hidden = false;
  } catch (error) {
    if (mine !== questions) return;
    $("portrait").hidden = true;
    $("message").textContent = error.message;
  }
}

async function refresh() {
  if (!$("door").hidden) return;
  try {
    const [lineage, status] = await Promise.all([ask("/v1/lineage"), ask("/v1/status")]);
    drawChain(lineage);
    drawStatus(status);
    await drawDead(status.dead);
  } catch (error) {
    $("served").textContent = error.message;
  }
}

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  $("token").value = "";
  $("door").hidden = true;
  document.querySelector("main").hidden = false;
  refresh();
  follow();
});

$("choose").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = encodeURIComponent($("user").value);
});

function follow() {
  const userId = decodeURIComponent(location.hash.slice(1));
  if (userId) {
    $("user").value = userId;
    showUser(userId);
  }
}

addEventListener("hashchange", follow);
setInterval(refresh, 2000);
refresh();
follow();
