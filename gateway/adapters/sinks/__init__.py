"""
Ways to a SOC: one plug-in each. To add one, write it beside these and add its line to ``SINKS``.

The settings' Structs are tagged with ``type``: an unknown type or key is msgspec's error, with its path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from gateway.adapters.sinks import log, mqtt, sia_dc09, webhook
from gateway.ports import AlarmSink, Clock, Link, SinkPlan

SinkSettings = webhook.WebhookSettings | mqtt.MqttSettings | sia_dc09.Dc09Settings | log.LogSettings


class Kind(Struct, frozen=True):
    """A type of sink: what it is configured by, and how it is made."""

    settings: type[SinkSettings]
    open_sink: Callable[..., AlarmSink]
    check: Callable[[Any], object] | None = None
    """Reads the files that the settings name. Errors: ValueError, OSError."""


SINKS: dict[str, Kind] = {
    "webhook": Kind(webhook.WebhookSettings, webhook.open_sink),
    "mqtt": Kind(mqtt.MqttSettings, mqtt.open_sink),
    "sia-dc09": Kind(sia_dc09.Dc09Settings, sia_dc09.open_sink, sia_dc09.accounts_of),
    "log": Kind(log.LogSettings, log.open_sink),
}
_BY_SETTINGS = {kind.settings: kind for kind in SINKS.values()}


def plan_of(settings: SinkSettings) -> SinkPlan:
    """The sink as the store must know it."""
    return SinkPlan(settings.name, settings.soc, settings.role)


def open_sink(settings: SinkSettings, *, clock: Clock, link: Link, logger: Any) -> AlarmSink:
    """Make the sink; it connects when it first has something to send."""
    return _BY_SETTINGS[type(settings)].open_sink(settings, clock=clock, link=link, logger=logger)
