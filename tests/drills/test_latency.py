"""The latency curve ends at its knee and is drawn; telemetry beside it flows, and the bounds are held."""

from __future__ import annotations

import argparse
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import curve, latency
from bench.probe import Samples
from devtools.mosquitto import Mosquitto

SVG = "{http://www.w3.org/2000/svg}"
CURVE = ["--curve", "--telemetry", "0,300", "--thefts", "3", "--rounds", "1", "--crowd", "3"]


def step(load: float, *, ms: float = 1.0, flowed: float = 1.0, lost: int = 0) -> curve.Step:
    ways = {way: [ms, ms] for way in latency.WAYS}
    return curve.step(
        [Samples(wanted_per_s=load, telemetry_per_s=load * flowed, telemetry_lost=lost, ms=ways)],
        in_time_ms=50.0,
    )


STEPS = st.lists(st.sampled_from([{}, {"ms": 51.0}, {"flowed": 0.9}, {"lost": 1}]), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_the_knee_is_the_first_load_that_is_not_served(kinds: list[dict[str, float]]) -> None:
    steps = [step(100.0 * number, **kind) for number, kind in enumerate(kinds, start=1)]  # type: ignore[arg-type]  # by kind
    found = curve.curve(steps)
    bad = next((number for number, kind in enumerate(kinds, start=1) if kind), None)
    assert found.knee_per_s == (None if bad is None else 100.0 * bad)
    assert found.sustained_per_s == 100.0 * (len(kinds) if bad is None else bad - 1)
    assert len(found.steps) == (len(kinds) if bad is None else bad)
    drawn = ET.fromstring(curve.picture(found, "here & now", latency.NAMES))  # noqa: S314  # our own
    titles = [one.text or "" for one in drawn.iter(f"{SVG}text")]
    assert any(found.sentence() in one for one in titles)
    assert len(list(drawn.iter(f"{SVG}circle"))) >= len(found.steps) * (2 * len(latency.WAYS) + 1)


@pytest.mark.drill
@pytest.mark.parametrize(("bound", "code"), [(["--min-sustained", "0"], 0), (["--max-idle-ratio", "0.1"], 1)])
def test_the_measurement_runs_and_judges(
    mosquitto: Mosquitto, tmp_path: Path, bound: list[str], code: int
) -> None:
    parser = argparse.ArgumentParser()
    latency.add_options(parser)
    results, picture = tmp_path / "results.json", tmp_path / "curve.svg"
    options = [*CURVE, "--json", str(results), "--picture", str(picture), *bound]
    assert latency.main(parser.parse_args(options)) == code
    rounds = msgspec.json.decode(results.read_bytes())["latency"]["rounds"]
    assert [one["telemetry_lost"] for one in rounds] == [0] * len(rounds)
    assert ET.parse(picture).getroot().tag == f"{SVG}svg"  # noqa: S314  # our own
