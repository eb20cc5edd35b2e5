"""Hooks of MkDocs for links that leave `docs/`: on the site they lead to the repository.

In the repository `../models.toml` is right; the site has no such page. The picture of the report
is taken along.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

PICTURE = "examples/report.png"

_OUTSIDE = re.compile(r"\]\(\.\./([^)\s]+)\)")


def on_files(files: Any, *, config: Any) -> Any:
    """The site's files, with the picture."""
    path = Path(config.docs_dir).parent / PICTURE
    files.append(File.generated(config, PICTURE, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, config: Any, **_: Any) -> str:
    """The page's text with such links made absolute."""
    here = markdown.replace(f"](../{PICTURE})", f"]({PICTURE})")
    return _OUTSIDE.sub(rf"]({config.repo_url.rstrip('/')}/blob/main/\1)", here)
