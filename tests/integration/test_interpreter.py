"""The garbage collector looks only at what is new, and still finds all garbage."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator

import pytest

from gateway.adapters.interpreter import ALL_AGAIN_AFTER_S, Aside


class Cycle:
    """Only a collector can end it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def aside() -> Iterator[Aside]:
    told = Aside(time.monotonic())
    gc.callbacks.append(told)
    yield told
    gc.callbacks.remove(told)
    gc.unfreeze()


def test_survivors_are_set_aside_and_garbage_is_found(aside: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Cycle()
    gc.collect()
    assert gc.get_freeze_count() > 0
    set_aside, new = weakref.ref(old), weakref.ref(Cycle())
    del old
    gc.collect()
    assert (set_aside() is None, new() is None) == (False, True)
    later_s = time.monotonic() + ALL_AGAIN_AFTER_S
    monkeypatch.setattr(time, "monotonic", lambda: later_s)
    gc.collect()  # from here on everything is looked at again
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert set_aside() is None
