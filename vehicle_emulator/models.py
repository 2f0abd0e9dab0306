"""
Kinds of vehicles, read from a file: ``models.toml`` beside this one, and a user's own on top of it.

Errors: ``ModelsError`` with the file, the key and the reason. Limits: 256 KiB, 200 models, each number in a
range that a road vehicle can have.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

if TYPE_CHECKING:
    from vehicle_emulator.dice import Dice

BUILT_IN: Final = Path(__file__).with_name("models.toml")
MAX_BYTES: Final = 256 * 1024
MAX_MODELS: Final = 200

Amount = Annotated[float, Meta(ge=0.0, le=1_000.0)]
# Below the contract's 30 s, so that a late message still keeps the promise of its core signals.
Driving = Annotated[float, Meta(ge=1.0, le=25.0)]
Pause = Annotated[float, Meta(ge=1.0, le=86_400.0)]


class ModelsError(ValueError):
    """A models file that can't be used, in a sentence."""


class Cadence(Struct, frozen=True, forbid_unknown_fields=True):
    """
    How often it publishes, in seconds.

    Defaults: what an open-source connected-car module does over MQTT (OVMS v3): 5 s driving, 10 s charging,
    60 s awake, 600 s idle, everything each 1,200 s; in between only what changed.
    """

    driving_s: Driving = 5.0
    charging_s: Pause = 10.0
    awake_s: Pause = 60.0
    asleep_s: Pause = 600.0
    everything_s: Pause = 1_200.0


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of vehicle; what each key means stands in ``models.toml``."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    share: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    life: Literal["commuter", "homebody", "delivery", "pleasure"] = "commuter"
    tank_l: Amount = 0.0
    l_per_100km: Amount = 0.0
    battery_kwh: Amount = 0.0
    kwh_per_100km: Amount = 0.0
    charge_kw: Amount = 0.0
    fast_charge_kw: Amount = 0.0
    doors: Literal[0, 2, 4] = 4
    has_boot: bool = True
    acceleration_mps2: Annotated[float, Meta(ge=0.3, le=6.0)] = 1.9
    top_speed_km_h: Annotated[int, Meta(ge=20, le=300)] = 180
    bundle_mb: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_000
    mb_per_km: Amount = 0.4
    cadence: Cadence = Cadence()

    @property
    def burns(self) -> bool:
        """Whether it has a tank that empties."""
        return self.tank_l > 0.0

    @property
    def can_charge(self) -> bool:
        """Whether it has a traction battery and a socket."""
        return self.battery_kwh > 0.0 and self.charge_kw > 0.0

    def mistake(self) -> str | None:
        """What no single key shows."""
        if self.burns and not self.l_per_100km:
            return "a tank_l needs l_per_100km"
        if self.can_charge and not self.kwh_per_100km:
            return "charge_kw needs kwh_per_100km"
        if self.charge_kw and not self.battery_kwh:
            return "charge_kw needs battery_kwh"
        if self.fast_charge_kw and not self.charge_kw:
            return "fast_charge_kw needs charge_kw"
        if not self.burns and not self.can_charge:
            return "it needs tank_l, or battery_kwh and charge_kw"
        return None


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    model: Annotated[tuple[Model, ...], Meta(min_length=1, max_length=MAX_MODELS)]


@lru_cache(maxsize=1)
def built_in() -> tuple[Model, ...]:
    """The models that come with the emulator."""
    return tuple(model for model in _read(BUILT_IN) if model.share)


def load(path: Path | None) -> tuple[Model, ...]:
    """The built-in models with those of a file on top, without those of share 0."""
    if path is None:
        return built_in()
    known = {model.name: model for model in _read(BUILT_IN)}
    own = _read(path)
    names = [model.name for model in own]
    for name in names:
        if names.count(name) > 1:
            raise ModelsError(f"{path}: two models are named {name}")
    known.update((model.name, model) for model in own)
    chosen = tuple(model for model in known.values() if model.share)
    if not chosen:
        raise ModelsError(f"{path}: no model has a share above 0")
    return chosen


def pick(models: tuple[Model, ...], dice: Dice) -> Model:
    """One of them, as often as its share says."""
    throw = dice.below(sum(model.share for model in models))
    for model in models:
        throw -= model.share
        if throw < 0:
            return model
    raise AssertionError(models)


def _read(path: Path) -> tuple[Model, ...]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ModelsError(f"{path}: more than {MAX_BYTES // 1024} KiB")
        models = msgspec.convert(tomllib.loads(text.decode()), _File).model
    except OSError as error:
        raise ModelsError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise ModelsError(f"{path}: {error}") from error
    for model in models:
        if mistake := model.mistake():
            raise ModelsError(f"{path}: model {model.name}: {mistake}")
    return models
