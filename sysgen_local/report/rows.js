"use strict";
// Shows a row, on every page. A probability stands before the word for what it is one of. Text is only put into text nodes, so nothing in a row is interpreted
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

// A function that gives a part of the text, [from, to), in which the words that the other text lacks
// are marked. `diff` is from `word_diff`, as page.py adds it to a row; without it, nothing is marked.
function marked(text, diff, old) {
  const changed = [];
  let at = 0;
  for (const [sameOld, sameNew, gone, come] of diff || []) {
    at += old ? sameOld : sameNew;
    changed.push([at, at += old ? gone : come]);
  }
  return (from = 0, to = text.length) => {
    const part = document.createDocumentFragment();
    for (const [low, high] of changed) {
      const begin = Math.max(low, from), end = Math.min(high, to);
      const words = text.slice(begin, Math.max(begin, end)).trimEnd();
      if (!words) continue;
      part.append(text.slice(from, begin), element(old ? "del" : "ins", "", words));
      from = begin + words.length;
    }
    part.append(text.slice(from, to));
    return part;
  };
}

// The system message with each of its phrases, [tag, text], underlined in the colour of its tag.
function painted(system, phrases, part = marked(system)) {
  const whole = element("span");
  let from = 0;
  for (const [tag, text] of phrases) {
    const at = system.indexOf(text, from);
    if (at < 0) continue;
    const phrase = tagged("span", "painted", tag, part(at, at + text.length));
    phrase.title = tag;
    whole.append(part(from, at), phrase);
    from = at + text.length;
  }
  whole.append(part(from));
  return whole;
}

function verdicts(row) {
  const table = element("table");
  const line = (kept, tag, text, why, good) => table.append(element("tr", kept ? "" : "gone",
    tagged("td", "tag", tag, tag), element("td", "long", text), element("td", "", why), element("td", "", good)));
  for (const [tag, text, label, p] of row.phrases) line(label === "good", tag, text, label, `p(${label}) ${p.toFixed(3)}`);
  for (const [tag, text, reason] of row.removed) line(false, tag, text, "filter: " + reason, "");
  return table;
}

function systems(row) {
  const found = [];
  const good = row.phrases.filter((phrase) => phrase[2] === "good");
  const diff = row.system_diff;
  const came = row.old_system && said("system message it came with", marked(row.old_system, diff, true)());
  const wrote = row.system && said("system message" + (row.edited ? " as the model wrote it" : ""), painted(row.system, good, marked(row.system, row.edited ? null : diff)), row.edited ? "past" : "system");
  const edited = row.edited && said("system message edited by a person", painted(row.edited_system, row.edited, marked(row.edited_system, diff)), "system");
  if (diff) found.push(element("div", "pair", came, edited || wrote), edited && wrote);
  else found.push(came, wrote, edited);
  if (row.stale) found.push(said("note", "The new answer was written for another system message, not for this one."));
  return found.filter(Boolean);
}

// What the probability of a check is one of.
const passes = (kind) => ({ agrees: "agrees", follows: "follows" })[kind] || "passes";

// The turns after the first instruction, old and new answers side by side, each with its checks. An
// answer that a person edited stands in place of the model's.
function answers(row) {
  const found = [];
  let turn = 0;
  for (let i = 1; i < Math.max(row.old.length, row.new.length); i++) {
    const before = row.old[i], after = row.new[i];
    const answers = after && after[0] === "assistant";
    const edited = answers && row.answers ? row.answers[turn] : after?.[1];
    if (before && after && before[1] === after[1] && edited === after[1]) found.push(said(before[0], before[1]));
    else found.push(element("div", "pair", said("old answer", before ? marked(before[1], row.diffs?.[i], true)() : ""),
      said("new answer" + (edited === after?.[1] ? "" : " edited by a person"), after ? marked(edited, row.diffs?.[i], false)() : "(none)")));
    if (edited !== after?.[1]) found.push(folded("the answer as the model wrote it, which the checks are about", after[1]));
    if (answers) {
      if (row.earlier_answers) found.push(folded("an earlier answer as a person edited it", row.earlier_answers[turn]));
      found.push(...checks(row, ++turn));
    }
  }
  return found;
}

const folded = (title, text) => element("details", "", element("summary", "", title), said("", text));

// The checks of the answer of one turn, and the answers that were not taken.
function checks(row, turn) {
  const found = [];
  const table = element("table", "", element("tr", "", ...["check", "looked for", "by", "p", "found"].map((name) => element("th", "", name))));
  const mine = row.checks.filter((check) => check[0] === turn);
  for (const [, kind, text, by, p, detail] of mine) {
    table.append(element("tr", p < 0.5 ? "rejected" : "", element("td", "", kind), element("td", "long", text),
      element("td", "", by), element("td", "", p.toFixed(3) + " " + passes(kind)), element("td", "long", (kind === "phrase" && by === "rule" && p < 0.5 ? "wanted: " : "") + detail)));
  }
  if (mine.length) found.push(element("div", "scroll", table));
  for (const [at, why, content] of row.attempts) {
    if (at === turn) found.push(folded(why, content));
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

// A person's decision in words: rejected rows are those that could not be read.
const worded = (decision) => (decision === "rejected" ? "declined" : decision);

// The state of the row, and the decision of a person.
function marks(row) {
  const found = [element("span", "state " + row.state, row.why || row.state)];
  if (row.checked) found.push(" ", element("span", "state", row.checked));
  if (row.decision) found.push(" ", element("span", "state " + row.decision, worded(row.decision) + (row.reviewer ? " by " + row.reviewer : "")));
  else if (row.earlier) found.push(" ", element("span", "state", row.earlier + " with an earlier answer"));
  if (row.edited || row.answers) found.push(" ", element("span", "state", "edited"));
  return found;
}
