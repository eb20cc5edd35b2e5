// What is shown: a phrase or a pair, without its verdict. The server sends the next after a decision.
let thing = null;
const token = new URLSearchParams(location.search).get("token");

// One thing is done at a time, so that no key decides what is not on the page yet.
let acting = false;
async function act(doing) {
  if (acting) return;
  acting = true;
  try { await doing(); } finally { acting = false; }
}

// Sends a request. Null where it was refused; then the page says why, and stays.
async function ask(path, body) {
  const request = { headers: { Authorization: "Bearer " + token } };
  if (body !== undefined) Object.assign(request, { method: "POST", body: JSON.stringify(body) });
  let answer = { error: data.ended };
  try { answer = await (await fetch(path, request)).json(); } catch { /* the server has ended */ }
  byId("problem").textContent = answer?.error || "";
  byId("problem").hidden = !answer?.error;
  return !answer || answer.error ? null : answer;
}

const ending = () => !byId("ending").hidden;

// The decision before the last one, and what the model had said.
const words = { new: "the new answer", original: "the original answer", tie: "as good", unclear: "cannot tell" };
const worded_ = (word) => words[word] || word;
function verdict(told) {
  if (told.verdict === null) return "no verdict any more";
  const of = told.kind === "phrase" ? "good" : "new better";
  return worded_(told.verdict) + ", p(" + of + ") " + told.p.toFixed(2);
}

function show(answer) {
  byId("done").max = answer.asked;
  byId("done").value = answer.decided;
  byId("progress").textContent = answer.decided + " of " + answer.asked + " decided";
  const told = answer.told;
  byId("told").textContent = told ? "Before that, on “" + told.what + "”, you said " + worded_(told.said) + "; " + told.judge + ": " + verdict(told) + "." : "";
  byId("undo").disabled = !answer.undo;
  if (answer.position === null) return end();
  thing = answer;
  byId("ending").hidden = true;
  byId("thing").hidden = false;
  byId("phrase").hidden = thing.kind !== "phrase";
  byId("pair").hidden = thing.kind !== "pair";
  byId("keys").hidden = false;
  const whole = thing.turns.map(([role, text]) => said(role, text));
  if (thing.kind === "phrase") {
    const phrase = said("phrase for: " + thing.tag, thing.text, "phrase");
    phrase.dataset.tag = thing.tag;
    whole.push(phrase, folded("the answer of the dataset", thing.answer));
  } else {
    whole.push(said("system message", thing.system, "system"),
      element("div", "pair", said("first answer", thing.first), said("second answer", thing.second)));
  }
  byId("thing").replaceChildren(...whole);
  scrollTo(0, 0);
}

async function decide(word) {
  const answer = await ask("/things/" + thing.position, { said: word, thing: thing.thing });
  if (answer) await show(answer);
}

async function go(position) {
  const answer = await ask("/things/" + position);
  if (answer) await show(answer);
}

// Goes to the next thing without a decision; after the last one from the start.
async function skip() {
  for (let step = 1; step <= thing.asked; step++) {
    const answer = await ask("/things/" + (thing.position + step) % thing.asked);
    if (!answer) return;
    if (answer.open) return show(answer);
  }
}

async function end() {
  const answer = await ask("/end");
  if (!answer) return;
  const same = answer.told.filter((told) => told.said === told.verdict).length;
  byId("ended").textContent = answer.decided + " of " + answer.asked + " decided, " + same + " as the model did";
  byId("all").replaceChildren(element("tr", "", ...["about", "you", "the model"].map((name) => element("th", "", name))),
    ...answer.told.map((told) => element("tr", told.said === told.verdict ? "" : "rejected",
      element("td", "long", told.what), element("td", "", worded_(told.said)), element("td", "", verdict(told)))));
  byId("told").textContent = "";
  byId("thing").hidden = byId("keys").hidden = true;
  byId("ending").hidden = false;
  byId("ended").focus();
}

async function finish() {
  if (!await ask("/end", {})) return;
  byId("finish").disabled = true;
  byId("ended").textContent = "The review has ended. What you decided is stored.";
}

async function undo() {
  const answer = await ask("/undo", {});
  if (answer) await show(answer);
}

const doings = { skip, undo, end, finish };
for (const [id, doing] of Object.entries(doings)) byId(id).addEventListener("click", () => act(doing));
for (const button of document.querySelectorAll("[data-say]")) {
  // The second click of a double click is meant for what was there at the first.
  button.addEventListener("click", (event) => { if (event.detail < 2) act(() => decide(button.dataset.say)); });
}
byId("helping").addEventListener("click", () => byId("help").showModal());

const saying = { g: "good", b: "bad", n: "none", 1: "first", 2: "second", t: "tie", x: "unclear" };
const keys = { s: "skip", u: "undo", d: "end" };
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || thing === null || byId("help").open) return;
  if (event.key === "?") { event.preventDefault(); byId("help").showModal(); return; }
  if (ending()) return;
  const button = saying[event.key] && document.querySelector(`[data-say="${saying[event.key]}"]`);
  if (button && !button.closest("[hidden]")) { event.preventDefault(); act(() => decide(saying[event.key])); }
  const name = keys[event.key];
  if (name && !byId(name).disabled) { event.preventDefault(); act(doings[name]); }
});

act(() => go(0));
