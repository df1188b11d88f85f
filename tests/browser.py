"""A real browser for tests: Debian's Chromium, driven by Playwright.

    @pytest.fixture(scope="module")
    def browser():
        with chromium() as browser:
            yield browser

Playwright's synchronous API runs an event loop in the test's thread, where no asynchronous test can
run meanwhile. So a browser lives as long as one module, whose tests are all plain functions.
"""

import os
import shutil
from contextlib import contextmanager

import pytest

from .servers import PATIENCE

CHROMIUM = "/usr/bin/chromium"

ARGUMENTS = [
    "--no-sandbox",  # Which a container does not let it build.
    "--disable-dev-shm-usage",  # There a container has little room.
]


@contextmanager
def chromium():
    """Gives a browser; skips the test if there is none, and says how to get one."""
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        pytest.skip("playwright is not installed; get it by: pip install playwright")
    path = CHROMIUM if os.path.exists(CHROMIUM) else shutil.which("chromium")
    if path is None:
        pytest.skip("there is no Chromium; install Debian's: apt-get install chromium")
    expect.set_options(timeout=PATIENCE * 1000)  # Or five seconds, which a busy machine may miss.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(browser, base_url, *, tolerated="\0", **options):
    """Gives a page, which must not log an error or a warning, but those with the text `tolerated`.

    A resource that does not load is one too. `options` are those of a browser context.
    """
    context = browser.new_context(base_url=base_url, **options)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: line.type in {"error", "warning"} and errors.append(line.text))
    try:
        yield page
    finally:
        context.close()
    errors = [error for error in errors if tolerated not in error]
    assert not errors, errors
