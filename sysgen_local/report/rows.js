"use strict";
// Shows a row, on every page. Text is only put into text nodes, so nothing in a row is interpreted
// as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

function said(title, content, more) {
  const box = element("div", "said " + (more || ""));
  box.append(element("b", "", title), content);
  return box;
}

function tagged(name, className, tag, text) {
  const made = element(name, className, text);
  made.dataset.tag = tag;
  return made;
}

// The system message with each of its phrases, [tag, text], underlined in the colour of its tag.
function painted(system, phrases) {
  const whole = element("span");
  let from = 0;
  for (const [tag, text] of phrases) {
    const at = system.indexOf(text, from);
    if (at < 0) continue;
    const phrase = tagged("span", "painted", tag, text);
    phrase.title = tag;
    whole.append(system.slice(from, at), phrase);
    from = at + text.length;
  }
  whole.append(system.slice(from));
  return whole;
}

function verdicts(row) {
  const table = element("table");
  const line = (kept, tag, text, why, good) => table.append(element("tr", kept ? "" : "gone",
    tagged("td", "tag", tag, tag), element("td", "long", text), element("td", "", why), element("td", "", good)));
  for (const [tag, text, label, good] of row.phrases) line(label === "good", tag, text, label, good.toFixed(3));
  for (const [tag, text, reason] of row.removed) line(false, tag, text, "filter: " + reason, "");
  return table;
}

function systems(row) {
  const found = [];
  const good = row.phrases.filter((phrase) => phrase[2] === "good");
  if (row.old_system) found.push(said("system message it came with", row.old_system));
  if (row.system) found.push(said("system message" + (row.edited ? " as the model wrote it" : ""), painted(row.system, good), row.edited ? "past" : "system"));
  if (row.edited) found.push(said("system message edited by a person", painted(row.edited_system, row.edited), "system"));
  if (row.stale) found.push(said("note", "The new answer was written for another system message, not for this one."));
  return found;
}

// The turns after the first instruction, old and new answers side by side, each with its checks.
function answers(row) {
  const found = [];
  let turn = 0;
  for (let i = 1; i < Math.max(row.old.length, row.new.length); i++) {
    const before = row.old[i], after = row.new[i];
    if (before && after && before[1] === after[1]) found.push(said(before[0], before[1]));
    else found.push(element("div", "pair", said("old answer", before ? before[1] : ""), said("new answer", after ? after[1] : "(none)")));
    if (after && after[0] === "assistant") found.push(...checks(row, ++turn));
  }
  return found;
}

// The checks of the answer of one turn, and the answers that were not taken.
function checks(row, turn) {
  const found = [];
  const table = element("table", "", element("tr", "", ...["check", "looked for", "by", "p", "found"].map((name) => element("th", "", name))));
  const mine = row.checks.filter((check) => check[0] === turn);
  for (const [, kind, text, by, p, detail] of mine) {
    table.append(element("tr", p < 0.5 ? "rejected" : "", element("td", "", kind), element("td", "long", text),
      element("td", "", by), element("td", "", p.toFixed(3)), element("td", "long", detail)));
  }
  if (mine.length) found.push(element("div", "scroll", table));
  for (const [at, why, content] of row.attempts) {
    if (at === turn) found.push(element("details", "", element("summary", "", why), said("", content)));
  }
  return found;
}

function rowView(row) {
  const whole = element("div");
  whole.append(said(row.old[0][0], row.old[0][1]));
  if (row.phrases.length || row.removed.length) whole.append(element("div", "scroll", verdicts(row)));
  whole.append(...systems(row), ...answers(row));
  return whole;
}

// The state of the row, and the decision of a person.
function marks(row) {
  const found = [element("span", "state " + row.state, row.why || row.state)];
  if (row.checked) found.push(" ", element("span", "state", row.checked));
  if (row.decision) found.push(" ", element("span", "state " + row.decision, row.decision));
  else if (row.earlier) found.push(" ", element("span", "state", row.earlier + " with an earlier answer"));
  if (row.edited) found.push(" ", element("span", "state", "edited"));
  return found;
}
