"""Fixtures that every test may use."""

from __future__ import annotations

from tests.support.broker import broker, mosquitto

__all__ = ["broker", "mosquitto"]
