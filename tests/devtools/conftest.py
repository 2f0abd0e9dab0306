"""The real broker, for the tests of the tools around it."""

from tests.support.broker import broker, mosquitto

__all__ = ["broker", "mosquitto"]
