"use strict";
const rows = JSON.parse(document.getElementById("data").textContent);
const PAGE = 25;
const byId = (id) => document.getElementById(id);
const texts = rows.map((row) => JSON.stringify(row).toLowerCase());
let shown = PAGE;

// Text only ever becomes a text node: nothing in a row is markup here.
function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function said(title, text, more) {
  const box = element("div", "said " + (more || ""));
  box.append(element("b", "", title), text);
  return box;
}

function phrases(row) {
  const table = element("table");
  for (const [tag, text, label, good] of row.phrases) {
    const line = element("tr", label === "good" ? "" : "gone");
    line.append(element("td", "", tag), element("td", "", text), element("td", "", label), element("td", "", good.toFixed(3)));
    table.append(line);
  }
  for (const [tag, text, reason] of row.removed) {
    const line = element("tr", "gone");
    line.append(element("td", "", tag), element("td", "", text), element("td", "", "filter: " + reason), element("td"));
    table.append(line);
  }
  return table;
}

function journey(row) {
  const whole = element("div");
  if (row.old_system) whole.append(said("system message it came with", row.old_system));
  whole.append(said(row.old[0][0], row.old[0][1]));
  if (row.phrases.length || row.removed.length) whole.append(phrases(row));
  if (row.system) whole.append(said("system message", row.system, "system"));
  for (let i = 1; i < Math.max(row.old.length, row.new.length); i++) {
    const before = row.old[i], after = row.new[i];
    if (before && after && before[1] === after[1]) { whole.append(said(before[0], before[1])); continue; }
    const pair = element("div", "pair");
    pair.append(said("old answer", before ? before[1] : ""), said("new answer", after ? after[1] : "(none)"));
    whole.append(pair);
  }
  return whole;
}

function card(row) {
  const made = element("details");
  const head = element("summary");
  head.append(element("span", "state " + row.state, row.why || row.state), " " + row.row + ". " + row.old[0][1].slice(0, 140) + " ", element("span", "where", row.at));
  made.append(head);
  made.addEventListener("toggle", () => { if (made.open && made.children.length === 1) made.append(journey(row)); });
  return made;
}

function show() {
  const words = byId("search").value.toLowerCase(), state = byId("state").value, tag = byId("tag").value, dataset = byId("dataset").value;
  const found = rows.filter((row, i) =>
    texts[i].includes(words) && (!state || row.state === state) && (!dataset || row.dataset === dataset) &&
    (!tag || row.phrases.some((phrase) => phrase[0] === tag && phrase[2] === "good")));
  byId("rows").replaceChildren(...found.slice(0, shown).map(card));
  byId("count").textContent = found.length + " found.";
  byId("more").hidden = found.length <= shown;
}

for (const id of ["search", "state", "tag", "dataset"]) {
  byId(id).addEventListener(id === "search" ? "input" : "change", () => { shown = PAGE; show(); });
}
byId("more").addEventListener("click", () => { shown += PAGE; show(); });
show();
