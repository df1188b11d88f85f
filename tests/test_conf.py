"""`conf`: settings are live, and a wrong one is named with what is allowed."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_streams.conf import conf


def test_without_settings_there_are_defaults():
    assert conf.heartbeat == 15
    assert conf.first_item_seconds == 15
    conf.check()


def test_settings_are_read_at_use():
    with override_settings(STREAMS={"HEARTBEAT": 3, "FIRST_ITEM_SECONDS": 0.5}):
        assert (conf.heartbeat, conf.first_item_seconds) == (3, 0.5)
    assert conf.heartbeat == 15


def test_a_heartbeat_of_none_means_never():
    with override_settings(STREAMS={"HEARTBEAT": None}):
        assert conf.heartbeat is None
        conf.check()


@pytest.mark.parametrize("value", [0, -1, "15", True, float("nan"), float("inf"), []])
def test_a_wrong_number_of_seconds_is_named(value):
    with (
        override_settings(STREAMS={"HEARTBEAT": value}),
        pytest.raises(ImproperlyConfigured, match=r'STREAMS\["HEARTBEAT"\] is .*positive number'),
    ):
        conf.check()


def test_the_seconds_of_the_first_item_cannot_be_none():
    with (
        override_settings(STREAMS={"FIRST_ITEM_SECONDS": None}),
        pytest.raises(ImproperlyConfigured, match="FIRST_ITEM_SECONDS"),
    ):
        conf.check()


def test_an_unknown_setting_is_named_with_those_there_are():
    with (
        override_settings(STREAMS={"HEARTBEATS": 3}),
        pytest.raises(ImproperlyConfigured, match=r"'HEARTBEATS'.*FIRST_ITEM_SECONDS, HEARTBEAT"),
    ):
        conf.check()


def test_settings_that_are_no_dict_are_refused():
    with (
        override_settings(STREAMS=[]),
        pytest.raises(ImproperlyConfigured, match=r"STREAMS is \[\]; it takes a dict"),
    ):
        conf.check()
