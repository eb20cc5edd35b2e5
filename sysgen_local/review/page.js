// The row on the page. The server sends it after every change.
let row = null;
let busy = false;
const token = new URLSearchParams(location.search).get("token");

// Sends a request and shows the row in the answer. Only one request is sent at a time: a key that
// is pressed too early must not decide a row that is not on the page yet.
async function ask(path, body) {
  if (busy) return null;
  busy = true;
  const request = { headers: { Authorization: "Bearer " + token } };
  if (body !== undefined) Object.assign(request, { method: "POST", body: JSON.stringify(body) });
  let answer = { error: "The review has ended in the terminal; `sysgen review` takes it up again. What you decided is kept." };
  try {
    answer = await (await fetch(path, request)).json();
  } catch { /* the server has ended: the error above is shown */ }
  busy = false;
  problem(answer?.error || "");
  if (!answer || answer.error) return null;
  show(answer);
  return answer;
}

function problem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

function show(answer) {
  const moved = row === null || row.position !== answer.position;
  row = answer;
  leave();
  const head = element("p", "", element("b", "", "row " + row.row), " ", ...marks(row), " ", element("span", "where", row.at));
  const whole = [head];
  if (row.earlier && !row.decision) whole.push(said("note", "You " + row.earlier + " this row before it got a new answer."));
  byId("row").replaceChildren(...whole, rowView(row));
  byId("done").max = row.rows;
  byId("done").value = row.decided;
  byId("progress").textContent = row.decided + " of " + row.rows + " decided · number " + (row.position + 1);
  byId("undo").disabled = row.undo === 0;
  byId("previous").disabled = row.position === 0;
  byId("following").disabled = row.position === row.rows - 1;
  if (moved) scrollTo(0, 0);
}

const go = (position) => { if (position !== null && position >= 0 && position < row.rows) return ask("/rows/" + position); };

async function decide(decision) {
  const answer = await ask("/rows/" + row.position, { decision });
  if (answer) await go(answer.next);
}

// Editing: one line for each phrase. Phrases that the judge removed have no tick.

const ticked = () => [...byId("lines").children].filter((line) => line.querySelector("input").checked)
  .map((line) => [line.querySelector("select").value, line.querySelector("textarea").value.trim()]).filter(([, text]) => text);

function preview() {
  for (const line of byId("lines").children) line.dataset.tag = line.querySelector("select").value;
  const phrases = ticked().sort((a, b) => data.tags.indexOf(a[0]) - data.tags.indexOf(b[0]));
  byId("preview").replaceChildren(painted(phrases.map((phrase) => phrase[1]).join(" "), phrases));
  byId("save").disabled = phrases.length === 0;
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

function edit() {
  const known = own();
  const now = (row.edited || []).map(([tag, text]) => [tag, text, true]);
  const left = known.filter(([tag, text]) => !now.some((phrase) => phrase[0] === tag && phrase[1] === text));
  lines(row.edited ? [...now, ...left.map(([tag, text]) => [tag, text, false])] : known);
  byId("edit").hidden = false;
  byId("keys").hidden = true;
  byId("edit").scrollIntoView({ block: "nearest" });
  const first = byId("lines").querySelector("textarea");
  first.focus();
  first.setSelectionRange(first.value.length, first.value.length);
}

function leave() {
  byId("edit").hidden = true;
  byId("keys").hidden = false;
}

function save() {
  if (!byId("save").disabled) ask("/rows/" + row.position, { decision: "accepted", phrases: ticked().map(([tag, text]) => ({ tag, text })) });
}

const doings = {
  accept: () => decide("accepted"),
  reject: () => decide("rejected"),
  change: edit,
  undo: () => ask("/undo", {}),
  previous: () => go(row.position - 1),
  following: () => go(row.position + 1),
  skip: () => go(row.next),
  helping: () => byId("help").showModal(),
  add: () => { addLine([data.tags[0], "", true]).focus(); preview(); },
  own: () => lines(own()),
  cancel: leave,
};
const keys = { a: "accept", r: "reject", e: "change", u: "undo", p: "previous", ArrowLeft: "previous", n: "following", ArrowRight: "following", s: "skip", "?": "helping" };

for (const [id, doing] of Object.entries(doings)) byId(id)?.addEventListener("click", doing);
byId("edit").addEventListener("submit", (event) => { event.preventDefault(); save(); });
byId("edit").addEventListener("input", preview);

document.addEventListener("keydown", (event) => {
  if (!byId("edit").hidden) {
    if (event.key === "Escape") leave();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
    return;
  }
  // A key that is held down must not decide several rows. Ctrl-R belongs to the browser.
  if (row === null || event.repeat || event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const doing = doings[keys[event.key]];
  if (!doing) return;
  event.preventDefault();
  if (!document.getElementById(keys[event.key])?.disabled) doing();
});

ask("/rows/" + data.start);
