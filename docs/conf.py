"""How Sphinx builds the documentation."""

import tomllib
from pathlib import Path

_pyproject = Path(__file__).resolve().parent.parent / "pyproject.toml"
_project = tomllib.loads(_pyproject.read_text(encoding="utf-8"))["project"]

project = "django_streams"
author = "django_streams contributors"
project_copyright = f"2026, {author}"
release = version = _project["version"]

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
# Headings down to the third level can be linked to.
myst_heading_anchors = 3

exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"django_streams {release}"
