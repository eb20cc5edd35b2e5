"""The house's order holds: every module imports only from its own floor or below."""

import ast
from pathlib import Path

FLOORS = [
    {"core"},
    {"store", "sources", "models", "engine", "serving"},
    {"exporting", "prompts"},
    {"running"},
    {"evaluation", "phases", "training"},
    {"review", "report"},
    {"workflows"},
    {"desk", "__init__"},
    {"cli"},
]
"""From the lowest to the highest."""

PACKAGE = Path(__file__).resolve().parent.parent / "sysgen_local"
HEAVY = set("llama_cpp duckdb numpy huggingface_hub gguf rich jinja2 pydantic py3langid".split())


def floor(name: str) -> int:
    return next(i for i, names in enumerate(FLOORS) if name in names)


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            names = [alias.name for alias in node.names] if len(parts) == 1 else [parts[1]]
            found += names if parts[0] == "sysgen_local" else []
    return [name for name in found if not name.startswith("__version")]


def files(floor: str = "") -> list[Path]:
    found = list((PACKAGE / floor).rglob("*.py"))
    assert found
    return found


def test_every_module_imports_only_downwards():
    wrong = []
    for path in files():
        top = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in imports(path):
            if floor(name) > floor(top):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not wrong


def test_the_engine_knows_nothing_of_sysgen():
    for path in files("engine"):
        assert set(imports(path)) <= {"engine", "core"}, path


def test_phases_know_neither_llama_cpp_nor_sql():
    for path in files("phases"):
        text = path.read_text()
        assert "llama_cpp" not in text, path
        assert "duckdb" not in text, path


def test_help_loads_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys; from sysgen_local.cli.commands import cli\n"
        "try: cli.main(['run', '--help'])\nexcept SystemExit: pass\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert "INPUT" in done.stdout
    assert done.stderr.strip() == "[]"
