"""The documents keep up with the program, and their links lead somewhere. No network is needed,
and no site generator: `mkdocs build --strict` checks the site itself."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from places import ROOT

from sysgen_local.cli.commands import cli
from sysgen_local.cli.options import where as where_option
from sysgen_local.phases.filter import REASONS as REMOVALS
from sysgen_local.sources.reasons import REASONS as REJECTS
from sysgen_local.sources.shapes import FIELDS
from sysgen_local.store import evaluation, schema

DOCS = ROOT / "docs"
PAGES = [
    *sorted(DOCS.glob("*.md")),
    DOCS / "llms.txt",
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    ROOT / "benchmarks" / "README.md",
    ROOT / "builtin_model" / "README.md",
    ROOT / "examples" / "README.md",
]
OF_OTHERS = {
    "--force-reinstall", "--gres", "--install", "--mem", "--no-cache-dir", "--strict", "--time",
    "--upgrade",
    "--address", "--head", "--num-cpus",
    "--batch-size", "--data", "--iters", "--mask-prompt", "--test", "--train",
}  # fmt: skip
"""Options of pip, xcode-select, mkdocs, ray, SLURM and mlx-lm that documents name."""


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings; only those that GitHub and MkDocs make alike."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(path), re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings]
    return {text.replace(" ", "-") for text in plain if not re.search(r"[- ]{2}", text)}


def links(path: Path) -> list[str]:
    """The targets of a document's links and pictures, those on other hosts aside."""
    text = re.sub(r"`[^`\n]*`", "", prose(path))
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if not re.match(r"https?://|mailto:", link)]


def module(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path):
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert ROOT in target.parents, f"{link} leaves the repository"
        if anchor:
            assert anchor in anchors(target), link


GENERATE = module(DOCS / "generate.py")


@pytest.mark.parametrize("name", GENERATE.PAGES)
def test_generated_pages_are_what_the_program_says(name):
    assert page(name) == GENERATE.PAGES[name](), "run docs/generate.py"


def test_the_skill_begins_with_its_name_and_when_to_use_it():
    _, front, text = page("SKILL.md").split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts.keys() == {"name", "description"}
    assert facts["name"] == "sysgen-local"
    assert len(facts["description"]) < 1024
    assert "## Pitfalls" in text


def test_llms_txt_links_every_page_of_the_site():
    named = {name.partition("#")[0] for name in links(DOCS / "llms.txt")}
    assert named == {path.name for path in DOCS.glob("*.md")} - {"index.md"}


def test_options_that_documents_name_exist():
    known = {
        name
        for _, command in GENERATE.leaves(cli)
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    for path in DOCS.glob("*.md"):
        named = {*re.findall(r"(?<![-\w])--[a-z][a-z-]*[a-z]", path.read_text())}
        assert named <= known | OF_OTHERS | {"--help"}, path.name


def entries() -> dict[str, str]:
    """Table or view -> its entry in the page about the store."""
    text = page("store.md")
    found = dict(re.findall(r"^- `(\w+)`: (.*(?:\n  .*)*)", text, re.M))
    found["journey"] += text.split("## Columns for conditions")[1].split("Examples:")[0]
    return found


@pytest.mark.parametrize("layout", [schema.store_schema(), evaluation.SCHEMA], ids=["rows", "eval"])
def test_every_table_view_and_column_is_described(layout):
    con = duckdb.connect()
    schema.migrate(con, layout)
    columns = con.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal")
    found = columns.fetchall()
    assert found
    described = entries()
    for table, column in found:
        assert f"`{column}`" in described[table], f"{table}.{column}"


def test_the_columns_for_conditions_are_those_of_the_view():
    con = duckdb.connect()
    schema.migrate(con, schema.store_schema())
    view = [name for name, *_ in con.execute("DESCRIBE journey").fetchall()]
    table = page("store.md").split("## Columns for conditions")[1].split("Examples:")[0]
    described = re.findall(r"^\| `(\w+)` \|", table, re.M)
    assert sorted(described) == sorted(view)
    option: Any
    [option] = getattr(where_option(lambda: None), "__click_params__")  # noqa: B009 (added by click)
    listed = option.help.split(" over ")[1]
    assert {*re.findall(r"\w+", re.sub(r"\([^)]*\)", "", listed))} <= {*view}


def test_reasons_and_fields_are_described():
    assert {*REJECTS, *FIELDS} <= {*re.findall(r"`(\w+)`", page("inputs.md"))}
    assert {*REMOVALS} <= {*re.findall(r"`(\w+)`", page("phases.md"))}


def test_the_site_has_every_page_once():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    named: list[str] = []

    def walk(entries):
        for entry in entries:
            [value] = entry.values()
            walk(value) if isinstance(value, list) else named.append(value)

    walk(site["nav"])
    assert sorted(named) == sorted(path.name for path in DOCS.glob("*.md"))


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
