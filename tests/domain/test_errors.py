"""What an error says of itself, without the value that was wrong."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from gateway.errors import place_of, reason_of


class Small(Struct):
    word: Literal["a"]
    number: Literal[1] = 1


@given(st.text(min_size=2))
def test_a_wrong_word_is_not_repeated(word: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert({"word": word}, Small)
    assert reason_of(raised.value) == "ValidationError: Not one of the known values - at `$.word`"


@given(st.integers(2))
def test_a_wrong_number_is_not_repeated(number: int) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert({"word": "a", "number": number}, Small)
    assert str(number) not in reason_of(raised.value).replace("$.number", "")


def test_a_mistake_of_ours_is_known_by_its_place() -> None:
    with pytest.raises(KeyError) as raised:
        dict[str, str]().pop("DC-1")
    assert place_of(raised.value).startswith("KeyError at ")
    assert "DC-1" not in place_of(raised.value)
    assert place_of(ValueError("DC-1")) == "ValueError"
