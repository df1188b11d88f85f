"""The Python of each page of the documentation runs, from its first snippet to its last."""

import re

import pytest

from .servers import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page):
    snippets = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    namespace = {"__name__": f"docs.{page.stem}"}
    for snippet in snippets:
        exec(compile(snippet, str(page), "exec"), namespace)
    assert namespace
