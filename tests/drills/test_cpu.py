"""CPU for each telemetry message stays below that of other libraries: a ratio holds on a busy machine."""

from __future__ import annotations

import argparse

import pytest

from bench import cpu
from bench.reading import runs
from bench.stage import StageError
from tests.support.broker import required


@pytest.fixture
def gmqtt() -> None:
    """Installed into the cache folder, unless it is there already."""
    try:
        runs.installed(runs.GMQTT)
    except StageError as missing:
        if required("references"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


def exit_code(*words: str) -> int:
    parser = argparse.ArgumentParser()
    cpu.add_options(parser)
    return cpu.main(parser.parse_args(["--qos", "0", *words]))


def test_a_message_costs_less_than_with_gmqtt(gmqtt: None) -> None:
    load = ("--messages", "30000", "--vehicles", "1500", "--rounds", "3")
    assert exit_code(*load, "--against", "gmqtt", "--max-ratio", "0.75") == 0


def test_a_message_costs_a_twelfth_of_aiomqtt_as_documented() -> None:
    load = ("--messages", "10000", "--vehicles", "500", "--rounds", "1")
    assert exit_code(*load, "--against", "aiomqtt", "--max-ratio-aiomqtt", str(1 / 12)) == 0
