"""How a notebook uses the Python API; every `# %%` begins a cell."""

# %% [markdown]
# Rows from Python, through the five phases, to a training file.

# %%
import sysgen_local as sysgen

rows = [
    {"instruction": "How do I keep basil alive in winter?", "output": "Keep it at a sunny window."},
    {"instruction": "Why does bread need salt?", "output": "Salt gives taste and slows the yeast."},
    {"instruction": "Name three uses of vinegar.", "output": "Dressing, cleaning and pickling."},
]

# %% Any model by name, by path of a GGUF, or by a server's address. `builtin` needs no download.
with sysgen.open("rows.duckdb") as store:
    done = sysgen.run(store, rows, model="builtin", seed=1, on_progress=print)
    print(done.counts)

# %% What is in the store: rows as objects, or anything that SQL can ask.
with sysgen.open("rows.duckdb") as store:
    for row in store.rows(where="p_good > 0.5"):
        print(row.row, row.verified.system)
    print(store.query("SELECT \"row\", system, new_answer FROM journey WHERE state = 'final'"))

# %% A file for TRL or Axolotl, with a card.
with sysgen.open("rows.duckdb") as store:
    written = sysgen.export(store, "out.jsonl", format="messages")
    print(f"{written.rows} final rows in out.jsonl, its card in {written.card_path}")
