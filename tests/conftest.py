"""What every test may rely on; and in CI, that no test is skipped for want of what it needs."""

import os
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

# Hypothesis measures each example, which tells more of the machine than of what is tested. In CI it
# does not by itself.
if not os.environ.get("CI"):
    settings.register_profile(
        "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("unhurried")

NEEDY = {"browser", "server", "service"}
"""Markers of tests that need something of the machine: CI has it, or CI has failed."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    is_needy = NEEDY & {marker.name for marker in item.iter_markers()}
    is_skipped = report.skipped and not hasattr(report, "wasxfail")
    if is_skipped and is_needy and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI skips nothing: {call.excinfo.value}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped as a whole, and CI skips nothing"
    return report


@pytest.fixture
def name():
    """A name for the test's stream or body, by which its server tells what became of it."""
    return uuid4().hex
