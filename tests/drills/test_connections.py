"""What an emulated vehicle costs can be measured, and its bounds are held."""

from __future__ import annotations

import argparse

import pytest

from bench import connections
from devtools.mosquitto import Mosquitto

SHORT = ["--vehicles", "30", "--reference", "5", "--rounds", "1", "--rate", "300", "--seconds", "0.5"]


@pytest.mark.parametrize(("bound", "code"), [(["--min-connects", "1"], 0), (["--max-kb", "-1000"], 1)])
def test_the_measurement_runs_and_judges(mosquitto: Mosquitto, bound: list[str], code: int) -> None:
    parser = argparse.ArgumentParser()
    connections.add_options(parser)
    assert connections.main(parser.parse_args([*SHORT, *bound])) == code
