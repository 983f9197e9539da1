"""Zones by the names that authors give them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files

import pytest

from canalis.contract.zones import iana_name, near_names, windows_names, zone_of


def test_every_name_that_windows_has_is_a_zone():
    for name in windows_names():
        found = iana_name(name)
        assert found is not None and zone_of(name).key == found


def test_windows_has_some_hundred_and_forty():
    assert len(windows_names()) > 130 and {"UTC", "Pacific Standard Time", "W. Europe Standard Time"} < set(
        windows_names()
    )
    assert list(windows_names()) == sorted(set(windows_names()))


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/BERLIN", "Europe/Berlin"),
        ("pacific standard time", "America/Los_Angeles"),
        ("UTC", "UTC"),
        ("utc", "UTC"),
        ("Etc/GMT+12", "Etc/GMT+12"),
        ("Kamchatka Standard Time", "Asia/Kamchatka"),
        ("Mid-Atlantic Standard Time", "Etc/GMT+2"),
    ],
)
def test_a_name_may_be_of_either_kind_and_in_any_case(name, zone):
    assert iana_name(name) == zone and zone_of(name).key == zone


@pytest.mark.parametrize(
    "name",
    ["", " UTC", "Berlin", "UTC+1", "localtime", "/etc/localtime", "../UTC", "\u212aorea", "UTC\0", "x" * 10_000],
)
def test_nothing_else_is_a_zone(name):
    assert iana_name(name) is None


def test_none_is_utc():
    assert zone_of(None).key == "UTC"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Los_Angeles", "America/Los_Angeles"),
        ("Europe/Berln", "Europe/Berlin"),
        ("Pacific Time", "Pacific Standard Time"),
        ("Central European Time", "Central European Standard Time"),
        ("Paciffic Standard Time", "Pacific Standard Time"),
        (" UTC ", "UTC"),
    ],
)
def test_a_name_that_is_nearly_right_leads_to_the_right_one(written, meant):
    assert meant in near_names(written)


@pytest.mark.parametrize("written", ["GMT+2", "UTC+1", "?", "", "\u00e9", "x" * 10_000])
def test_no_zone_is_offered_that_could_be_the_opposite_of_what_is_meant(written):
    assert near_names(written) == []


@pytest.mark.parametrize("is_bare", [True, False])
def test_a_zone_is_the_same_on_a_machine_without_zones_of_its_own_and_on_one_with_old_ones(is_bare, tmp_path):
    if not is_bare:
        (tmp_path / "Europe").mkdir()
        utc = (files("tzdata") / "zoneinfo" / "UTC").read_bytes()
        (tmp_path / "Europe" / "Paris").write_bytes(utc)
    line = (
        "from datetime import datetime; from canalis.contract.zones import zone_of;"
        "print(datetime(2026, 7, 1, tzinfo=zone_of('romance standard time')))"
    )
    machine = os.environ | {"PYTHONTZPATH": "" if is_bare else str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", line], env=machine, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2026-07-01 00:00:00+02:00"
