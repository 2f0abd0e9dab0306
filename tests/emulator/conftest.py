"""Fixtures of the emulator's tests."""

from __future__ import annotations

from tests.support.broker import broker, mosquitto

__all__ = ["broker", "mosquitto"]
