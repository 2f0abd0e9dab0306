"""Kinds of vehicles from a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.emulator.lives import START_MS
from vehicle_emulator import models
from vehicle_emulator.day import cars, sent
from vehicle_emulator.dice import Dice
from vehicle_emulator.models import MAX_BYTES, MAX_MODELS, ModelsError

TRUCK = '[[model]]\nname = "truck"\nlife = "delivery"\ntank_l = 300\nl_per_100km = 28\ndoors = 2\n'
ONLY = "share = 0\ntank_l = 1\nl_per_100km = 1\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text)
    return path


def test_a_file_adds_to_the_built_in_models_replaces_and_removes(tmp_path: Path) -> None:
    text = (
        TRUCK + '[[model]]\nname = "van"\n' + ONLY + '[[model]]\nname = "compact"\ntank_l=9\nl_per_100km=9\n'
    )
    loaded = {model.name: model for model in models.load(write(tmp_path, text))}
    assert loaded.keys() == {model.name for model in models.built_in()} - {"van"} | {"truck"}
    assert loaded["compact"].tank_l == 9.0


def test_models_are_as_frequent_as_their_shares() -> None:
    built_in = models.built_in()
    found = Counter(models.pick(built_in, Dice(number)).name for number in range(5_000))
    whole = sum(model.share for model in built_in)
    for model in built_in:
        assert found[model.name] / 5_000 == pytest.approx(model.share / whole, abs=0.03)


def test_an_own_model_lives(tmp_path: Path) -> None:
    text = TRUCK.replace("delivery", "commuter") + "cadence = {driving_s = 20, asleep_s = 1800}\n"
    own = tuple(model for model in models.load(write(tmp_path, text)) if model.name == "truck")
    assert {car.model.name for car in cars(1, 3, own)} == {"truck"}
    usual, rare = (len(list(sent(1, 3, START_MS, 1.0, kinds))) for kinds in (models.built_in()[:1], own))
    assert 0 < rare < usual


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[model]", "models.toml"),
        ("", "model"),
        ("model = []", "length >= 1"),
        ('[[model]]\nname = "x"\n', "needs tank_l, or battery_kwh"),
        ('[[model]]\nname = "x"\ntank_l = 5\n', "l_per_100km"),
        ('[[model]]\nname = "x"\ncharge_kw = 5\ntank_l=1\nl_per_100km=1\n', "battery_kwh"),
        ('[[model]]\nname = "x"\ntank_l=1\nl_per_100km=1\nfast_charge_kw=9\n', "fast_charge_kw needs"),
        ('[[model]]\nname = "x"\nbattery_kwh=9\ncharge_kw=9\n', "kwh_per_100km"),
        (TRUCK + "colour = 1\n", "colour"),
        (TRUCK + "doors = 3\n", "doors"),
        (TRUCK + 'share = "many"\n', "share"),
        (TRUCK + "share = -1\n", "share"),
        (TRUCK + "acceleration_mps2 = inf\n", "acceleration_mps2"),
        (TRUCK + "cadence = {driving_s = 30}\n", "driving_s"),
        (TRUCK + TRUCK, "two models"),
        (TRUCK * (MAX_MODELS + 1), "length"),
        ("#" * (MAX_BYTES + 1), "256 KiB"),
        ("x = " + "[" * 5_000, "models.toml"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ModelsError, match=says):
        models.load(write(tmp_path, text.replace("doors = 2\ndoors", "doors")))


def test_none_left_and_none_there_is_said(tmp_path: Path) -> None:
    everything = "".join(f'[[model]]\nname = "{one.name}"\n{ONLY}' for one in models.built_in())
    with pytest.raises(ModelsError, match="no model has a share"):
        models.load(write(tmp_path, everything))
    with pytest.raises(ModelsError, match="No such file"):
        models.load(tmp_path / "none.toml")
