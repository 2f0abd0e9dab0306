"""
One frozen Struct of the parts' own Structs, from TOML and environment. Each mistake is a full sentence.

Every key is also read from ``GATEWAY__SECTION__KEY`` (entries of a list by index), and from a file named by
``…KEY_FILE`` where a secret must not stand in the configuration. Relative paths are relative to the file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from gateway.adapters.availability import load_availability
from gateway.adapters.mqtt.settings import MqttSettings
from gateway.adapters.sinks import SINKS, SinkSettings
from gateway.adapters.storage.sqlite.retention import BY_DEFAULT, Keeping
from gateway.api.settings import ApiSettings, ConsoleSettings
from gateway.domain.services.availability import EVERYWHERE, Availability
from gateway.domain.thresholds import Escalation, TheftProtection, Thresholds
from gateway.errors import SettingsError
from gateway.pipeline.canary import CanarySettings
from gateway.pipeline.recording import RecordingSettings

T = TypeVar("T")

PREFIX = "GATEWAY__"
PATHS = (
    ("gateway", "data_dir"),
    ("gateway", "seal_key_file"),
    ("mqtt", "ca_file"),
    ("mqtt", "cert_file"),
    ("mqtt", "key_file"),
    ("mqtt", "users_password_file"),
    ("mqtt", "broker_pid_file"),
    ("recording", "folder"),
    ("services", "availability"),
    ("api", "cert_file"),
    ("api", "key_file"),
    ("console", "map_file"),
)


SINK_PATHS = ("accounts_file", "ca_file")


class GatewaySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Section ``[gateway]``."""

    instance: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}\Z")] = "gw-1"
    data_dir: str = "var"
    seal_key_file: str | None = None
    """Opens the keys of security codes; by default ``seal.key`` in the data folder. Back it up apart."""
    log: Annotated[str, Meta(pattern="^(json|text)$")] = "json"


class StoreSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Section ``[store]``; without it the database lies in the data folder."""

    url: Annotated[str, Meta(pattern="^sqlite:///.+$")] | None = None
    keep_messages_days: Annotated[int, Meta(ge=1, le=36_500)] = BY_DEFAULT.messages.days
    """So far back the feeds can be read again; what is not delivered stays."""
    keep_journal_days: Annotated[int, Meta(ge=400, le=36_500)] = BY_DEFAULT.journal.days
    """Facts as they were decided. An event id must not come to mean something else for 400 days."""

    @property
    def keeping(self) -> Keeping:
        """The periods."""
        return Keeping(timedelta(days=self.keep_messages_days), timedelta(days=self.keep_journal_days))


class ServicesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Section ``[services]``."""

    availability: str | None = None
    """A site's own table of what can be had where."""


class SocSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Section ``[soc]``: the sinks, each checked by its own type, and how long an alarm may wait."""

    sinks: list[dict[str, Any]] = []
    escalation: Escalation = Escalation()


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration."""

    gateway: GatewaySettings = GatewaySettings()
    mqtt: MqttSettings = MqttSettings()
    store: StoreSettings = StoreSettings()
    api: ApiSettings = ApiSettings()
    console: ConsoleSettings = ConsoleSettings()
    soc: SocSettings = SocSettings()
    theft_protection: TheftProtection = TheftProtection()
    canary: CanarySettings = CanarySettings()
    recording: RecordingSettings = RecordingSettings()
    services: ServicesSettings = ServicesSettings()
    availability: Availability = EVERYWHERE
    """Read from the file that ``[services] availability`` names, or the shipped one."""
    sinks: tuple[SinkSettings, ...] = ()
    """Built from ``[[soc.sinks]]``: one settings Struct each."""

    @property
    def thresholds(self) -> Thresholds:
        """Every number that the rules need."""
        stated = msgspec.structs.asdict(self.theft_protection)
        return Thresholds(**stated, escalation=self.soc.escalation)

    @property
    def database(self) -> Path:
        """Path of the SQLite database."""
        if self.store.url is None:
            return Path(self.gateway.data_dir) / "gateway.db"
        return Path(self.store.url.removeprefix("sqlite:///"))

    @property
    def seal_key_file(self) -> Path:
        """Path of the key that opens the keys of security codes."""
        stated = self.gateway.seal_key_file
        return Path(self.gateway.data_dir) / "seal.key" if stated is None else Path(stated)


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """
    Read the configuration.

    Errors:  SettingsError with file, key and reason.
    """
    name = "the environment" if path is None else str(path)
    values = {} if path is None else _read(path)
    _overlay(values, environment)
    _secret_files(values, name, Path.cwd() if path is None else path.parent)
    folder = Path.cwd() if path is None else path.resolve().parent
    _absolute(values, folder)
    for key, instead in (("sinks", "[[soc.sinks]]"), ("availability", "[services] availability")):
        if key in values:
            raise SettingsError(f"{name}: {key}: unknown key; write {instead}")
    settings = _convert(values, Settings, name, "")
    sinks = tuple(_sink(one, index, name) for index, one in enumerate(settings.soc.sinks))
    names = [sink.name for sink in sinks]
    for twice in sorted({one for one in names if names.count(one) > 1}):
        raise SettingsError(f"{name}: soc.sinks: two sinks are named {twice!r}")
    # The raw tables go: they would show secrets wherever settings are shown.
    own = settings.services.availability
    availability = load_availability(None if own is None else Path(own))
    soc = SocSettings(escalation=settings.soc.escalation)
    return msgspec.structs.replace(settings, soc=soc, sinks=sinks, availability=availability)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is no TOML: {error}") from error


def _overlay(values: dict[str, Any], environment: Mapping[str, str]) -> None:
    for variable in sorted(environment):
        if not variable.startswith(PREFIX):
            continue
        keys = variable.removeprefix(PREFIX).lower().split("__")
        place: Any = values
        try:
            for key, following in pairwise(keys):
                place = _enter(place, key, [] if following.isdigit() else {})
            _put(place, keys[-1], environment[variable])
        except (TypeError, IndexError, ValueError) as error:
            raise SettingsError(f"{variable}: does not fit the configuration: {error}") from error


def _enter(place: Any, key: str, empty: Any) -> Any:
    if isinstance(place, list):
        if int(key) == len(place):
            place.append(empty)
        return place[int(key)]
    return place.setdefault(key, empty)


def _put(place: Any, key: str, value: str) -> None:
    if isinstance(place, list):
        place[int(key)] = value
    else:
        place[key] = value


def _secret_files(place: Any, name: str, folder: Path) -> None:
    """``url_file`` and ``secret_file`` name files that hold ``url`` and ``secret``."""
    children = place.values() if isinstance(place, dict) else place if isinstance(place, list) else ()
    for child in list(children):
        _secret_files(child, name, folder)
    if not isinstance(place, dict):
        return
    for key in [one for one in place if one in ("url_file", "secret_file")]:
        file = folder / str(place.pop(key))
        try:
            place[key.removesuffix("_file")] = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{name}: {key}: {file} can't be read: {error.strerror}") from error


def _absolute(values: dict[str, Any], folder: Path) -> None:
    for section, key in PATHS:
        part = values.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), str):
            part[key] = str(folder / part[key])
    values.setdefault("gateway", {})
    if isinstance(values["gateway"], dict):
        values["gateway"].setdefault("data_dir", str(folder / "var"))
    for sink in _tables(values.get("soc"), "sinks"):
        for key in SINK_PATHS:
            if isinstance(sink.get(key), str):
                sink[key] = str(folder / sink[key])
    store = values.get("store")
    if (
        isinstance(store, dict)
        and isinstance(store.get("url"), str)
        and store["url"].startswith("sqlite:///")
    ):
        store["url"] = f"sqlite:///{folder / store['url'].removeprefix('sqlite:///')}"


def _tables(section: Any, key: str) -> list[dict[str, Any]]:
    """The tables of a list; none where it is something else, which is found later."""
    found = section.get(key) if isinstance(section, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _sink(raw: dict[str, Any], index: int, name: str) -> SinkSettings:
    kind = raw.get("type")
    where = f"soc.sinks[{index}]"
    if kind not in SINKS:
        known = ", ".join(SINKS)
        raise SettingsError(f"{name}: {where}.type: {kind!r} is no sink; there are {known}")
    settings: SinkSettings = _convert(raw, SINKS[kind].settings, name, where)
    try:
        if (check := SINKS[kind].check) is not None:
            check(settings)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name}: {where}: {error}") from error
    return settings


def _convert(values: Any, kind: type[T], name: str, where: str) -> T:
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{name}: {_sentence(str(error), where)}") from error
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from error


def _sentence(text: str, where: str) -> str:
    """``reason - at `$.a.b``` as ``a.b: reason``."""
    reason, _, place = text.partition(" - at `$")
    key = where + re.sub(r"\[\.\.\.\]", "", place.rstrip("`"))
    unknown = re.fullmatch(r"Object contains unknown field `(.+)`", reason)
    if unknown:
        return f"{f'{key}.{unknown[1]}'.lstrip('.')}: unknown key"
    return f"{key.lstrip('.') or 'configuration'}: {reason[:1].lower()}{reason[1:]}"
