// The row on the page. The server sends it after every change.
let row = null;
// Which rows are gone through, as the server gets it.
const only = { unsure: false, words: "" };
const token = new URLSearchParams(location.search).get("token");

// One thing is done at a time. A key or a click that comes while a request is on its way does
// nothing: it must not decide a row that is not on the page yet, nor one a second time.
let acting = false;
let keeping = Promise.resolve();  // ends when the note that was just left is stored
async function act(doing) {
  if (acting) return;
  acting = true;
  try { await keeping; await doing(); } finally { acting = false; }
}

// Sends a request. Null where it was refused; then the page says why, and stays.
async function ask(path, body) {
  const filter = new URLSearchParams();
  if (only.unsure) filter.set("unsure", "1");
  if (only.words) filter.set("words", only.words);
  const request = { headers: { Authorization: "Bearer " + token } };
  if (body !== undefined) Object.assign(request, { method: "POST", body: JSON.stringify(body) });
  let answer = { error: data.ended }, status = 0;
  try {
    const response = await fetch(data.base + path + (filter.size ? "?" + filter : ""), request);
    status = response.status;
    answer = await response.json();
  } catch { /* the server has ended: the error above is shown */ }
  if (status === 409) await refresh();
  problem(answer?.error || "");
  return !answer || answer.error ? null : answer;
}

// The same for requests that are answered with a row, which is shown then.
async function askRow(path, body) {
  const answer = await ask(path, body);
  if (answer) show(answer);
  return answer;
}

function problem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

function show(answer) {
  const moved = row === null || row.position !== answer.position || ending();
  leave();
  byId("ending").hidden = true;
  put(answer);
  byId("note").value = row.note;
  if (moved) scrollTo(0, 0);
}

// Shows the row again as it is now, where another window changed it. What is being edited stays.
async function refresh() {
  const now = await ask("/rows/" + row.position), writing = noted();
  if (!now) return;
  put(now);
  if (!writing) byId("note").value = row.note;
}

function put(answer) {
  row = answer;
  const head = element("p", "", element("b", "", "row " + row.row), " ", ...marks(row), " ", element("span", "where", row.at));
  const whole = [head];
  if (row.earlier && !row.decision) whole.push(said("note", (row.reviewer || "A person") + " " + worded(row.earlier) + " this row before it got a new answer."));
  byId("row").replaceChildren(...whole, rowView(row));
  byId("done").max = row.rows;
  byId("done").value = row.decided;
  const among = row.found === null ? "" : " · " + (row.place ? row.place + " of " : "not among ") + row.found + " found";
  byId("progress").textContent = row.decided + " of " + row.rows + " decided · number " + (row.position + 1) + among;
  byId("undo").disabled = row.undo === 0;
  byId("previous").disabled = row.previous === null;
  byId("following").disabled = row.following === null;
  byId("unsure").checked = only.unsure;
  for (const id of ["accept", "reject", "change"]) byId(id).disabled = false;
}

const go = (position) => position === null ? null : askRow("/rows/" + position);

async function decide(decision) {
  const answer = await askRow("/rows/" + row.position, { decision, shown: row.shown });
  if (!answer) return;
  if (answer.next === null) await end();
  else await go(answer.next);
}

// Stores the note when its field is left. Where that is refused, the text stays in the field.
const noted = () => row !== null && byId("note").value.trim() !== row.note;
async function storeNote() {
  const answer = await ask("/notes/" + row.position, { note: byId("note").value, shown: row.shown });
  if (answer) put(answer);
}
function keepNote() {
  if (noted()) keeping = storeNote();
}

// Which rows are gone through: the first of them from here on is shown, or the filter stays.
async function narrow(change) {
  const before = { ...only };
  Object.assign(only, change);
  if (!await askRow("/find/" + row.position)) Object.assign(only, before);
  byId("unsure").checked = only.unsure;
}

async function search() {
  const number = byId("number").value.trim(), words = byId("words").value.trim();
  if (number) {
    if (await askRow("/numbers/" + number)) byId("number").value = "";
  } else await narrow({ words });
  document.activeElement.blur();
}

// The end: what was decided, and the commands that come next.

async function end() {
  const answer = await ask("/end");
  if (!answer) return;
  leave();
  const open = answer.skipped + answer.left;
  const some = row.found === null ? "" : " among the rows that you look for";
  byId("ended").textContent = open === 0 ? "Every row is decided" : row.next === null ? "No row is without a decision" + some : "So far";
  byId("counts").replaceChildren(...["accepted", "rejected", "edited", "skipped", "left"].map((name) =>
    element("div", "", element("b", "", answer[name].toLocaleString("en")), worded(name))));
  byId("commands").replaceChildren(...answer.commands.flatMap(([purpose, command]) => {
    const copy = element("button", "", "copy"), code = element("code", "", command);
    copy.ariaLabel = "copy: " + command;
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(command);
        copy.textContent = "copied";
      } catch {  // the browser does not allow it: the text is selected, to be copied by hand
        getSelection().selectAllChildren(code);
      }
    });
    return [element("dt", "", purpose), element("dd", "", code, copy)];
  }));
  byId("row").hidden = byId("remark").hidden = true;
  byId("ending").hidden = false;
  for (const id of ["accept", "reject", "change", "following"]) byId(id).disabled = true;
  byId("previous").disabled = false;
  scrollTo(0, 0);
}

async function finish() {
  if (!await ask("/end", {})) return;
  byId("first").textContent = "The review has ended. What you decided is stored, and the commands can run now.";
  byId("keys").hidden = byId("find").hidden = true;
}

const ending = () => !byId("ending").hidden;

// Editing: one line for each phrase, and one field for each answer. Phrases that the judge removed
// have no tick.

let opened = "";  // what the fields held when the edit began

const ticked = () => [...byId("lines").children].filter((line) => line.querySelector("input").checked)
  .map((line) => [line.querySelector("select").value, line.querySelector("textarea").value.trim()]).filter(([, text]) => text);

const written = () => [...byId("answers").querySelectorAll("textarea")];
const fields = () => JSON.stringify([
  [...byId("lines").children].map((line) => [line.querySelector("input").checked, line.querySelector("select").value, line.querySelector("textarea").value]),
  written().map((area) => area.value),
]);

function preview() {
  for (const line of byId("lines").children) line.dataset.tag = line.querySelector("select").value;
  const phrases = ticked().sort((a, b) => data.tags.indexOf(a[0]) - data.tags.indexOf(b[0]));
  byId("preview").replaceChildren(painted(phrases.map((phrase) => phrase[1]).join(" "), phrases));
  byId("save").disabled = phrases.length === 0 || written().some((area) => !area.value.trim());
}

function addLine([tag, text, kept]) {
  const line = element("div", "line");
  const tick = element("input"), choice = element("select"), area = element("textarea", "", text);
  tick.type = "checkbox";
  tick.checked = kept;
  for (const name of data.tags) choice.append(new Option(name, name, false, name === tag));
  tick.ariaLabel = "keep this phrase";
  choice.ariaLabel = "tag";
  area.ariaLabel = "phrase";
  area.rows = 1;
  line.append(tick, choice, area);
  byId("lines").append(line);
  return area;
}

// [tag, text, kept] of every phrase as the model and its judge left them.
function own() {
  const judged = row.phrases.map(([tag, text, label]) => [tag, text, label === "good" && row.system.includes(text)]);
  return judged.length ? judged : [[data.tags[0], row.system, true]];
}

function lines(of) {
  byId("lines").replaceChildren();
  of.forEach(addLine);
  preview();
}

const ownAnswers = () => row.new.filter((turn) => turn[0] === "assistant").map((turn) => turn[1]);

// A browser changes line ends in a field, so an answer that nobody touched is sent as it came.
function answerFields(texts) {
  byId("answers").replaceChildren(...texts.map((text, i) => {
    const area = element("textarea");
    area.value = area.came = text;
    area.shows = area.value;
    return element("label", "", texts.length > 1 ? "answer " + (i + 1) + " of " + texts.length : "answer", area);
  }));
  preview();
}

function edit() {
  const known = own();
  const now = (row.edited || []).map(([tag, text]) => [tag, text, true]);
  const left = known.filter(([tag, text]) => !now.some((phrase) => phrase[0] === tag && phrase[1] === text));
  answerFields(row.answers || ownAnswers());
  lines(row.edited ? [...now, ...left.map(([tag, text]) => [tag, text, false])] : known);
  byId("earlier-answers").hidden = !row.earlier_answers;
  opened = fields();
  byId("edit").hidden = false;
  byId("keys").hidden = byId("find").hidden = byId("remark").hidden = true;
  byId("edit").scrollIntoView({ block: "nearest" });
  const first = byId("lines").querySelector("textarea");
  first.focus();
  first.setSelectionRange(first.value.length, first.value.length);
}

const editing = () => !byId("edit").hidden;
const changed = () => editing() && fields() !== opened;

function leave() {
  byId("edit").hidden = true;
  byId("keys").hidden = byId("find").hidden = byId("remark").hidden = byId("row").hidden = false;
}

// Asks before it throws an edit away.
function cancel() {
  if (changed()) byId("sure").showModal();
  else leave();
}

function save() {
  if (byId("save").disabled) return;
  const phrases = ticked().map(([tag, text]) => ({ tag, text }));
  const answers = written().map((area) => area.value === area.shows ? area.came : area.value);
  return askRow("/rows/" + row.position, { decision: "accepted", phrases, answers, shown: row.shown });
}

const doings = {
  accept: () => decide("accepted"),
  reject: () => decide("rejected"),
  change: edit,
  undo: () => askRow("/undo", {}),
  previous: () => go(ending() ? row.position : row.previous),
  following: () => go(row.following),
  skip: () => row.next === null ? end() : go(row.next),
  end: () => ending() ? go(row.position) : end(),
  filter: () => narrow({ unsure: !only.unsure }),
  finish,
  cancel,
};
// What only moves the focus, opens a dialog, or changes the form.
const moves = {
  helping: () => byId("help").showModal(),
  remark: () => byId("note").focus(),
  seek: () => byId("words").select(),
  jump: () => byId("number").select(),
  add: () => { addLine([data.tags[0], "", true]).focus(); preview(); },
  own: () => lines(own()),
  "own-answers": () => answerFields(ownAnswers()),
  "earlier-answers": () => answerFields(row.earlier_answers),
};
const keys = {
  a: "accept", r: "reject", e: "change", u: "undo", p: "previous", ArrowLeft: "previous", n: "following", ArrowRight: "following",
  s: "skip", d: "end", f: "filter", m: "remark", "/": "seek", g: "jump", "?": "helping",
};
const AT_THE_END = ["undo", "previous", "end", "helping"];
const once = ["accept", "reject", "undo"];

for (const [id, doing] of Object.entries(doings)) {
  byId(id)?.addEventListener("click", (event) => {
    // The second click of a double click is meant for the row that was there at the first.
    if (!(once.includes(id) && event.detail > 1)) act(doing);
  });
}
for (const [id, move] of Object.entries(moves)) if (id !== "remark") byId(id)?.addEventListener("click", move);
byId("edit").addEventListener("submit", (event) => { event.preventDefault(); act(save); });
byId("edit").addEventListener("input", preview);
byId("find").addEventListener("submit", (event) => { event.preventDefault(); act(search); });
byId("words").addEventListener("search", (event) => { if (!event.target.value && only.words) act(() => narrow({ words: "" })); });
byId("unsure").addEventListener("change", (event) => { event.target.blur(); act(doings.filter); });
byId("note").addEventListener("change", keepNote);
byId("sure").addEventListener("close", () => { if (byId("sure").returnValue === "yes") leave(); byId("sure").returnValue = ""; });
// Whether something on the page is not stored yet. The page around this one asks it, too.
function unsaved() { return changed() || noted(); }
addEventListener("beforeunload", (event) => { if (unsaved()) event.preventDefault(); });

document.addEventListener("keydown", (event) => {
  const field = event.target.closest?.("textarea, select, input:not([type=checkbox])");
  const send = event.key === "Enter" && (event.ctrlKey || event.metaKey);
  // A key that is held down must not decide several rows, nor press a button several times.
  if (event.repeat) {
    if (event.target.closest?.("button") && [" ", "Enter"].includes(event.key)) event.preventDefault();
    return;
  }
  if (row === null || byId("help").open || byId("sure").open) return;
  if (editing()) {
    if (event.key === "Escape") { event.preventDefault(); act(cancel); }
    if (send) { event.preventDefault(); act(save); }
    return;
  }
  if (field) {
    if (event.key === "Escape" || (send && field.id === "note")) field.blur();
    return;
  }
  // Ctrl-R belongs to the browser.
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const name = keys[event.key];
  if (!name || byId("find").hidden || (ending() && !AT_THE_END.includes(name))) return;
  event.preventDefault();
  if (byId(name)?.disabled) return;
  if (name in moves) moves[name]();
  else act(doings[name]);
});

act(() => go(data.start));
