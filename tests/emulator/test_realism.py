"""Realism is measured from messages alone, and shown beside what others have published."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from gateway.recordings import Line
from tests.emulator.lives import START_MS
from tests.emulator.test_cli import invoke
from vehicle_emulator import body, messages
from vehicle_emulator.day import Sent, sent
from vehicle_emulator.messages import Message, Telemetry, Value, encode, rfc3339
from vehicle_emulator.realism import measure, page
from vehicle_emulator.realism.measure import Meter
from vehicle_emulator.realism.published import PUBLISHED

VIN = "XVG00000000000001"
MONDAY_MS = 1_767_567_600_000
DAY_S = 86_400
ALONE = {body.LATITUDE: 52.0, body.LONGITUDE: 5.0, body.ODOMETER: 1_000, body.SPEED: 0.0}


def told(at_s: float, **signals: Value) -> Sent:
    names = {
        "ignition": body.IGNITION,
        "speed": body.SPEED,
        "odometer": body.ODOMETER,
        "charging": body.IS_CHARGING,
    }
    known = {names[name]: value for name, value in signals.items()} or dict(ALONE)
    at_ms = START_MS + round(at_s * 1_000)
    return Sent(at_ms, VIN, Message(messages.TELEMETRY, encode(Telemetry(rfc3339(at_ms), 1, known))))


def test_one_trip_is_measured_as_it_was() -> None:
    meter = Meter()
    meter.take(
        [
            told(0),
            told(600, ignition="ON"),
            told(610, speed=36.0),
            told(1_210, speed=0.0, odometer=7_000),
            told(1_220, ignition="OFF"),
            *(told(1_220 + 60 * minute, ignition="OFF") for minute in range(1, 16)),
            told(1_220 + 900 + 600, charging=True),
            told(1_220 + 900 + 610, charging=False),
            told(DAY_S),
        ]
    )
    measured = meter.measured(seed=1, days=1.0)
    figures = measured.figures
    assert (figures["trips_a_day"], figures["day_km"]) == (1.0, 6.0)
    assert figures["trip_min"] == pytest.approx(620 / 60, abs=0.01)
    assert figures["moving_percent"] == pytest.approx(100 * 600 / DAY_S, abs=0.001)
    assert figures["home_percent"] == pytest.approx(100 * (DAY_S - 620) / DAY_S, abs=0.001)
    assert (figures["charging_s"], figures["awake_s"], figures["awake_min"]) == (10.0, 60.0, 15.0)
    assert figures["messages_per_s"] == round(measured.messages / DAY_S, 4)


def test_a_burst_behind_a_hole_counts_as_it_was_meant() -> None:
    late = [told(at_s, ignition="ON")._replace(at_ms=START_MS + 60_000) for at_s in (5, 10, 15)]
    meter = Meter()
    meter.take([told(0), told(0, ignition="ON"), *late])
    assert meter.measured(1, 1.0).spreads["driving"].mean == 5.0


def test_percentiles_and_bins_keep_every_value() -> None:
    values = [float(value) for value in range(101)]
    assert msgspec.structs.astuple(measure.spread(values)) == (101, 50.0, 10.0, 50.0, 90.0, 99.0)
    assert sum(measure.histogram("", "", values, 10, 5).counts) == 101
    assert measure.spread([]).count == 0


class Outline(HTMLParser):
    """Tags and what they load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [
            name for name, _ in attrs if name in {"src", "srcset", "data"} or name.startswith("on")
        ]


def test_the_page_is_one_file_without_script() -> None:
    meter = Meter()
    meter.take(sent(1, 5, MONDAY_MS, 1.0))
    measured = meter.measured(1, 1.0)
    text = page.html(measured)
    outline = Outline()
    outline.feed(text)
    assert not {"script", "link", "img", "iframe"} & set(outline.tags)
    assert (outline.loads, "@import" in text, "url(" in text) == ([], False, False)
    for histogram, part in zip(measured.histograms, text.split("<svg")[1:], strict=True):
        drawing = ET.fromstring(f"<svg{part.split('</svg>')[0]}</svg>")  # noqa: S314  # our own
        assert len(drawing.findall("rect")) == len(histogram.counts)
        assert drawing.get("aria-label", "").startswith(histogram.title)
    for figure in PUBLISHED:
        assert figure.title in text
        assert figure.of in measured.figures


def test_the_command_writes_the_table_the_page_and_the_json(tmp_path: Path) -> None:
    html, json = tmp_path / "page.html", tmp_path / "figures.json"
    code, text = invoke(
        "realism", "--vehicles", "3", "--days", "0.5", "--html", str(html), "--json", str(json)
    )  # fmt: skip
    assert (code, "trips per car and day" in text) == (0, True)
    measured = msgspec.json.decode(json.read_bytes(), type=measure.Measured)
    assert (measured.vehicles, measured.days, page.html(measured)) == (3, 0.5, html.read_text())


def test_a_written_day_is_a_recording(tmp_path: Path) -> None:
    out = tmp_path / "day.jsonl"
    assert invoke("day", "--vehicles", "2", "--days", "0.5", "--out", str(out))[0] == 0
    lines = [msgspec.json.decode(line, type=Line) for line in out.read_bytes().splitlines()]
    same = list(sent(1, 2, MONDAY_MS, 0.5))
    assert [(line.topic, line.body) for line in lines] == [(one.topic, one.payload) for one in same]
    assert [line.at for line in lines] == sorted(line.at for line in lines)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    writer = subprocess.Popen(
        [sys.executable, "-m", "vehicle_emulator", "day", "--vehicles", "20", "--days", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stderr is not None
    with writer:
        writer.stdout.readline()
        writer.stdout.close()
        assert (writer.stderr.read(), writer.wait(60)) == (b"", 0)


@pytest.mark.parametrize(
    "words",
    [
        ["realism", "--vehicles", "0"], ["realism", "--days", "400"], ["realism", "--start", "soon"],
        ["day", "--models", "none.toml"], ["day", "--vehicles", "100001"],
    ],
    ids=["none", "too-long", "start", "models", "too-many"],
)  # fmt: skip
def test_mistakes_are_named(words: list[str]) -> None:
    code, text = invoke(*words)
    assert (code, words[1] in text) == (2, True)


@pytest.mark.drill
def test_a_fleets_week_is_within_what_is_published() -> None:
    meter = Meter()
    meter.take(sent(1, 60, MONDAY_MS, 7.0))
    figures = meter.measured(1, 7.0).figures
    found = {figure.of: page.verdict(figures[figure.of], figure) for figure in PUBLISHED}
    # Cars in car sharing drive more than the private ones that these are.
    assert found.pop("messages_per_s") == "below"
    assert set(found.values()) == {"within"}, found
