const token = new URLSearchParams(location.search).get("token");
const TABS = ["run", "rows", "report", "review", "export"];
const ENDED = "The desk has ended in the terminal. Rows and decisions are kept; `sysgen desk` opens it again.";
const ENDED_WITH_RUN = "The desk has ended in the terminal, and stopped its run in good order. `sysgen desk` opens it again; its button “resume” goes on.";

// The state as the server sent it last.
let state = null;
let ended = false;

// Sends a request. Returns the answer; null where it was refused: then the box says why.
async function ask(path, body, box) {
  const request = { headers: { Authorization: "Bearer " + token } };
  if (body !== undefined) Object.assign(request, { method: "POST", body: JSON.stringify(body) });
  let answer;
  try {
    answer = await (await fetch(path, request)).json();
  } catch {
    ended = true;
    problem(byId("problem"), state?.ending && state.run?.here ? ENDED_WITH_RUN : ENDED);
    byId("stands").textContent = "ended";
    byId("stands").className = "state";
    for (const button of document.querySelectorAll("header button, main button")) button.disabled = true;
    return null;
  }
  if (box) problem(box, answer.error || "");
  return answer.error ? null : answer;
}

// A sentence and its way out, as the terminal has them, without the arrow between.
const plain = (text) => text.replaceAll("\n  -> ", "\n");

function problem(box, text) {
  text = plain(text);
  if (box.textContent !== text) box.textContent = text;
  box.hidden = !text;
}

const boxOf = (panel) => byId(panel).querySelector(".problem");
const written = (number) => Math.round(number).toLocaleString("en");

function clock(seconds) {
  const all = Math.round(seconds), two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(all / 3600), minutes = Math.floor(all / 60) % 60;
  return hours ? hours + ":" + two(minutes) + ":" + two(all % 60) : minutes + ":" + two(all % 60);
}

// Sets the text of an element, and hides it where there is none. A text that stays is not set again:
// a reader aloud would read it each second.
function tell(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
  byId(id).hidden = !text;
}

// The tabs.

const chosen = () => TABS.find((name) => !byId(name).hidden);

function choose(name, focus) {
  for (const other of TABS) {
    const mine = other === name, tab = byId("tab-" + other);
    byId(other).hidden = !mine;
    tab.setAttribute("aria-selected", mine);
    tab.tabIndex = mine ? 0 : -1;
    if (mine && focus) tab.focus();
  }
  history.replaceState(null, "", "#" + name);
  if (name === "rows") findFirst();
  if (name === "review") review();
}

byId("tabs").addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (!tab) return;
  choose(tab.getAttribute("aria-controls"), true);
  clicked = event.detail > 0;
  if (clicked && tab.id === "tab-review") byId("review-frame").contentWindow.focus();
});
// The keys of the review work when its frame has the focus. It gets it from a click, and not while
// somebody goes through the tabs by keyboard.
let clicked = false;
byId("review-frame").addEventListener("load", () => {
  if (clicked && document.activeElement === byId("tab-review")) byId("review-frame").contentWindow.focus();
});
byId("tabs").addEventListener("keydown", (event) => {
  const at = TABS.indexOf(chosen()), last = TABS.length - 1;
  const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
  if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  choose(TABS[to], true);
});

// The run.

function show(answer) {
  const before = state;
  state = answer;
  const run = state.run, status = run?.status, counts = status || state.stored;
  problem(byId("problem"), state.ending ? "The desk is ending" + (run?.here ? ": its run is being stopped in good order." : ".") : state.problem);
  const pending = state.stored?.rows.pending;
  const stands = run ? (run.stopping ? "stopping" : "running") : !state.stored ? "no rows yet" : pending ? "not running" : "done";
  if (byId("stands").textContent !== stands) byId("stands").textContent = stands;
  byId("stands").className = "state" + (stands === "done" ? " final" : "");
  byId("counts").hidden = !counts && !run;
  byId("funnel").hidden = !counts;
  if (counts) drawFunnel(counts);
  byId("sums").hidden = !counts;
  const title = status?.title ? status.title + " · " : "";
  tell("now", run ? title + "now: " + (status?.activity?.says || "starting, reading the input") : "");
  tell("pace", run ? pace(run, status) : "");
  const advice = (counts?.advice || []).map((of) => of.says);
  if (advice.join("\n") !== [...byId("advice").children].map((of) => of.textContent).join("\n")) byId("advice").replaceChildren(...advice.map((says) => element("li", "", says)));
  byId("advice").hidden = !advice.length;
  tell("last", run || !state.last ? "" : outcome(state.last));
  byId("last").className = "said " + (state.last?.outcome || "");
  byId("start").hidden = Boolean(run);
  byId("resume").hidden = Boolean(run) || !pending;
  byId("resume").textContent = "resume " + written(pending || 0) + (pending === 1 ? " row" : " rows");
  byId("stop").hidden = !run?.here;
  byId("stop").textContent = run?.stopping ? "stop immediately" : "stop";
  byId("elsewhere").hidden = !run || run.here;
  drawRecent(status?.recent || (run ? [] : null));
  if (before && Boolean(before.run) !== Boolean(run) && chosen() === "review") review();
  if ((run || early) && chosen() === "rows") findFirst();
}

function pace(run, status) {
  if (!status) return clock(run.seconds);
  const parts = [written(status.finished_in_this_run) + " rows in " + clock(status.seconds)];
  if (status.finished_in_this_run) parts.push(written(status.rows_an_hour) + " rows/h");
  if (status.seconds_left) parts.push(clock(status.seconds_left) + " left");
  return parts.join(" · ");
}

const outcome = (last) => ({ finished: "The run has finished.", stopped: "The run was stopped. What it had finished is kept.", failed: "The run failed." })[last.outcome]
  + (last.outcome !== "stopped" && last.says ? "\n" + plain(last.says) : "");

function drawFunnel(counts) {
  const rows = counts.rows;
  byId("sums").replaceChildren(...["input", "final", "dropped", "rejected", "pending"].map((name) => element("div", "", element("b", "", written(rows[name])), name)));
  let reached = rows.input - rows.rejected;
  const whole = Math.max(reached, 1), lines = [];
  for (const [phase, of] of Object.entries(counts.phases)) {
    const reasons = Object.entries(of.dropped), bar = element("progress");
    bar.max = whole;
    bar.value = of.done;
    bar.ariaLabel = phase;
    const dropped = reasons.reduce((sum, [, number]) => sum + number, 0);
    const why = reasons.map(([reason, number]) => reason + " " + written(number)).join(", ");
    const name = element("td", "", phase, element("span", "why", why));
    const numbers = [of.done, dropped, of.running, reached - of.done - of.running].map((number) => element("td", "n", written(number)));
    lines.push(element("tr", "", name, element("td", "bar", bar), ...numbers));
    reached = of.kept;
  }
  byId("funnel").tBodies[0].replaceChildren(...lines);
}

// The rows that ended last. After the run they stay as they were.
let drawn = "";
function drawRecent(recent) {
  if (recent === null || JSON.stringify(recent) === drawn) return;
  drawn = JSON.stringify(recent);
  byId("latest").hidden = !recent.length;
  byId("recent").replaceChildren(...recent.map((row) => {
    const head = element("p", "", element("b", "", "row " + row.row + " "), element("span", "state " + row.state, row.reason || row.state), " ", row.instruction);
    const whole = element("article", "", head);
    if (row.system) whole.append(element("p", "brief", row.system));
    if (row.answer) whole.append(element("p", "", row.answer));
    return whole;
  }));
}

// A review that has something unsaved is not closed under a person's hands.
function reviewed() {
  let unsaved = false;
  try { unsaved = Boolean(byId("review-frame").contentWindow.unsaved?.()); } catch { /* not loaded */ }
  if (unsaved) {
    choose("run");
    problem(boxOf("run"), "The review has an edit or a note that is not saved. Save or cancel it first, in the tab “Review”.");
  }
  return !unsaved;
}

const numberIn = (id) => (byId(id).value ? Number(byId(id).value) : null);

// One request of a kind at a time: the buttons of a panel are off until it is answered.
async function once(button, doing) {
  if (button.disabled) return;
  button.disabled = true;
  try { await doing(); } finally { if (!ended) button.disabled = false; }
}

async function start(form) {
  if (!reviewed()) return;
  const answer = await ask("/start", form, boxOf("run"));
  choose("run");
  if (answer) show(answer);
  else boxOf("run").scrollIntoView({ block: "center" });
}

byId("start").addEventListener("submit", (event) => {
  event.preventDefault();
  const inputs = byId("inputs").value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (!inputs.length) { problem(boxOf("run"), "Name an input: a file or a folder on this machine."); byId("inputs").focus(); return; }
  once(byId("begin"), () => start({
    inputs, model: byId("model").value, prompts: byId("prompts").value, limit: numberIn("limit"), seed: numberIn("seed"), check: byId("check").checked,
  }));
});
byId("resume").addEventListener("click", () => once(byId("resume"), () => start({})));
byId("stop").addEventListener("click", (event) => {
  if (event.detail > 1) return;  // the second click of a double click must not end it immediately
  once(byId("stop"), async () => {
    const answer = await ask("/stop", {}, boxOf("run"));
    if (answer) show(answer);
  });
});

// The rows.

function card(row) {
  const made = element("details");
  const system = (row.edited ? row.edited_system : row.system) || "no system message";
  const brief = (text, most) => (text.length > most ? text.slice(0, most) + "…" : text);
  const head = element("summary", "", element("b", "", "row " + row.row + " "), ...marks(row), " ", brief(row.old[0][1], 160), " ",
    element("span", "where", row.at), " ", element("span", "brief", brief(system, 320)));
  made.append(head);
  made.addEventListener("toggle", () => { if (made.open && made.children.length === 1) made.append(rowView(row)); });
  return made;
}

async function find(after = 0) {
  const query = new URLSearchParams({ state: byId("state").value, words: byId("words").value, after });
  const answer = await ask("/rows?" + query, undefined, boxOf("rows"));
  if (!answer) { byId("more").hidden = true; return; }
  if (!after) byId("list").replaceChildren();
  byId("list").append(...answer.rows.map(card));
  byId("list").dataset.last = answer.rows.at(-1)?.row || after;
  byId("more").hidden = !answer.more;
  const number = byId("list").children.length;
  byId("found").textContent = (number ? number + (number === 1 ? " row" : " rows") + (answer.more ? ", and there are more" : "") : "no such row") + (answer.as_of ? ", as of " + answer.as_of : "");
}

// Looks for rows where none are shown. It is called again and again during a run, for the first rows
// may be written only after the tab was opened, and once more when the run has ended, for a short one
// may write all its rows between two looks.
let finding = false, early = false;
async function findFirst() {
  if (finding || byId("list").children.length) return;
  finding = true;
  early = Boolean(state?.run);
  try { await find(); } finally { finding = false; }
}

byId("find").addEventListener("submit", (event) => { event.preventDefault(); find(); });
byId("state").addEventListener("change", () => find());
byId("more").addEventListener("click", () => once(byId("more"), async () => {
  const there = byId("list").children.length;
  await find(byId("list").dataset.last);
  byId("list").children[there]?.firstChild.focus();
}));

// The report.

byId("make").addEventListener("click", () => once(byId("make"), async () => {
  byId("made").textContent = "making it…";
  const answer = await ask("/report", {}, boxOf("report"));
  byId("made").textContent = answer ? "as of " + answer.as_of : "";
  if (!answer) return;
  const address = "/report?token=" + token;
  byId("report-frame").src = byId("alone").href = address;
  byId("report-frame").hidden = byId("alone").hidden = false;
  byId("make").textContent = "make it again";
}));

// The review: the page of `sysgen review`, in a frame.

let opened = 0;
async function review() {
  const frame = byId("review-frame");
  tell("later", state?.run ? "A run goes on. The review opens when it has ended." : "");
  if (state?.run) {
    problem(boxOf("review"), "");
    frame.hidden = true;
    return;
  }
  const answer = await ask("/review", {}, boxOf("review"));
  frame.hidden = !answer;
  if (answer && answer.number !== opened) {
    opened = answer.number;
    frame.src = "/review?token=" + token;
  }
}

// The export.

function ofPairs() {
  byId("pairs").disabled = !["dpo", "kto"].includes(byId("format").value);
}
byId("format").addEventListener("change", ofPairs);
ofPairs();

byId("write").addEventListener("submit", (event) => {
  event.preventDefault();
  once(byId("save"), async () => {
    byId("wrote").hidden = true;
    const form = { output: byId("output").value, format: byId("format").value, variant: byId("variant").value, pairs: byId("pairs").disabled ? "" : byId("pairs").value, where: byId("where").value, replace: byId("replace").checked };
    const answer = await ask("/export", form, boxOf("export"));
    if (!answer) return;
    const lines = answer.files.map((of) => written(of.rows) + (of.rows === 1 ? " row" : " rows") + " written to " + of.path);
    lines.push("its card: " + answer.card, ...answer.notes);
    if (answer.as_of) lines.push("a run goes on: as of " + answer.as_of);
    byId("wrote").replaceChildren(...lines.map((line) => element("p", "", line)));
    byId("wrote").hidden = false;
  });
});

async function poll() {
  const answer = await ask("/state");
  if (answer) show(answer);
  if (!ended) setTimeout(poll, 1000);
}

choose(TABS.find((name) => "#" + name === location.hash) || "run");
poll();
