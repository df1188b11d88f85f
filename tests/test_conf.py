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


BODY = {
    "BODY_MAX_SIZE": 2**30,
    "BODY_MAX_PARTS": 1000,
    "BODY_MAX_PART_SIZE": None,
    "BODY_MAX_FIELD_SIZE": 2**20,
    "BODY_MAX_HEADER_SIZE": 2**13,
    "BODY_MAX_HEADERS": 16,
    "BODY_MAX_ITEM": 2**20,
    "BODY_IDLE_SECONDS": 60,
    "BODY_MIN_RATE": 240,
}
NONE_IS_NO_LIMIT = {"BODY_MAX_SIZE", "BODY_MAX_PART_SIZE", "BODY_IDLE_SECONDS", "BODY_MIN_RATE"}


@pytest.mark.parametrize(("name", "default"), BODY.items(), ids=BODY)
def test_each_limit_of_a_body_has_a_default_and_is_read_at_use(name, default):
    assert getattr(conf, name.lower()) == default
    with override_settings(STREAMS={name: 7}):
        assert getattr(conf, name.lower()) == 7
        conf.check()


@pytest.mark.parametrize("name", BODY)
@pytest.mark.parametrize("value", [0, -1, "1 GiB", True, []])
def test_a_wrong_limit_of_a_body_is_named(name, value):
    with (
        override_settings(STREAMS={name: value}),
        pytest.raises(ImproperlyConfigured, match=rf'STREAMS\["{name}"\] is .*positive'),
    ):
        conf.check()


@pytest.mark.parametrize("name", BODY)
def test_none_is_no_limit_where_a_body_may_have_none(name):
    with override_settings(STREAMS={name: None}):
        if name in NONE_IS_NO_LIMIT:
            conf.check()
            assert getattr(conf, name.lower()) is None
        else:
            with pytest.raises(ImproperlyConfigured, match=name):
                conf.check()
