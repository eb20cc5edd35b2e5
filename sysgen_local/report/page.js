const rows = data;
const PAGE = 25;
const texts = rows.map((row) => JSON.stringify(row).toLowerCase());
let shown = PAGE;

const brief = (text) => (text.length > 140 ? text.slice(0, 140) + "…" : text);

function card(row) {
  const made = element("details");
  const head = element("summary", "", ...marks(row), " " + row.row + ". " + brief(row.old[0][1]) + " ", element("span", "where", row.at));
  made.append(head);
  made.addEventListener("toggle", () => { if (made.open && made.children.length === 1) made.append(rowView(row)); });
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
