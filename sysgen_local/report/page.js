const rows = data;
const PAGE = 25;
const OPEN = 3;
const BRIEF = 160; // characters of a question in the line of its row
const MESSAGE = 320; // and of a system message

// What is searched: the texts of each row, without the names of fields and roles.
const second = (of) => of[1];
const texts = rows.map((row) => [
  row.at, row.dataset, row.why, row.checked, row.old_system, row.system, row.edited_system,
  ...row.old.map(second), ...row.new.map(second), ...row.phrases.map(second), ...row.removed.map(second),
  ...row.checks.flatMap(([, , text, , , detail]) => [text, detail]), ...row.attempts.map((attempt) => attempt[2]),
].join("\n").toLowerCase());

// The id of a filter -> whether a row has the chosen value.
const filters = {
  state: (row, value) => row.state === value,
  reason: (row, value) => row.why === value,
  check: (row, value) => row.results.includes(value),
  reviewed: (row, value) => (value === "yes" ? Boolean(row.decision) : (row.decision || (row.earlier ? "earlier" : "no")) === value),
  edited: (row, value) => (row.edited ? "yes" : "no") === value,
  tag: (row, value) => row.phrases.some((phrase) => phrase[0] === value && phrase[2] === "good"),
  dataset: (row, value) => row.dataset === value,
};

let found = [];
const opened = new Map(); // row number -> whether the reader opened or closed it

const brief = (text, most) => (text.length > most ? text.slice(0, most) + "…" : text);
const chosen = () => Object.keys(filters).filter((id) => byId(id).value);

function card(row, place) {
  const made = element("details");
  const [role, asked] = row.old[0];
  const system = (row.edited ? row.edited_system : row.system) || "no system message";
  const question = element("span", "question", element("b", "", row.row + ".\u00a0"), brief(asked, BRIEF));
  const head = element("summary", "", ...marks(row), " ", question, " ", element("span", "where", row.at), " ", element("span", "brief", brief(system, MESSAGE)));
  const fill = () => {
    if (made.children.length > 1) return;
    if (asked.length > BRIEF || asked.includes("\n")) made.append(said(role, asked));
    made.append(...systems(row), ...answers(row), element("div", "scroll", verdicts(row)));
  };
  made.append(head);
  head.addEventListener("click", () => opened.set(row.row, !made.open));
  made.addEventListener("toggle", () => { if (made.open) fill(); });
  made.open = opened.get(row.row) ?? place < OPEN;
  if (made.open) fill();
  return made;
}

// Shows the next rows that were found, below those that are there.
function more() {
  const there = byId("rows").children.length;
  const next = found.slice(there, there + PAGE);
  byId("rows").append(...next.map((row, i) => card(row, there + i)));
  const left = found.length - there - next.length;
  byId("more").hidden = left <= 0;
  byId("more").textContent = "show " + Math.min(PAGE, left) + " more of " + left;
}

function show() {
  const words = byId("search").value.toLowerCase(), ids = chosen();
  found = rows.filter((row, i) => texts[i].includes(words) && ids.every((id) => filters[id](row, byId(id).value)));
  byId("rows").replaceChildren();
  byId("count").textContent = found.length + " of " + rows.length + " rows";
  byId("none").hidden = found.length > 0;
  byId("clear").hidden = !words && ids.length === 0;
  byId("some").textContent = ids.length ? "filters (" + ids.length + ")" : "filters";
  for (const id of Object.keys(filters)) byId(id).classList.toggle("chosen", ids.includes(id));
  more();
}

byId("search").addEventListener("input", show);
for (const id of Object.keys(filters)) byId(id).addEventListener("change", show);
byId("more").addEventListener("click", () => {
  const there = byId("rows").children.length;
  more();
  byId("rows").children[there]?.firstChild.focus();
});
byId("clear").addEventListener("click", () => {
  for (const id of ["search", ...Object.keys(filters)]) byId(id).value = "";
  show();
  byId("search").focus();
});
byId("some").addEventListener("click", () => {
  const shown = byId("filters").classList.toggle("shown");
  byId("some").setAttribute("aria-expanded", shown);
});

// A row that gets the focus must not lie below the bar.
new ResizeObserver(() => document.documentElement.style.setProperty("--bar", byId("find").offsetHeight + "px")).observe(byId("find"));
show();
