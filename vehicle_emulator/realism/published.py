"""
Figures that others have published about real cars and their telemetry, each with its public source.

``low`` and ``high`` are the range that the figure itself gives; where it is a single number they are a tenth
around it, which is this project's choice and says so in the report.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Figure(Struct, frozen=True):
    """One published figure; ``of`` names what is measured in ``measure.Measured``."""

    of: str
    title: str
    unit: str
    low: float
    high: float
    says: str
    source: str
    url: str


_RAC: Final = (
    "RAC Foundation, Spaced Out (2012), from the British National Travel Survey",
    "https://www.reinventingparking.org/2013/02/cars-are-parked-95-of-time-lets-check.html",
)
_NHTS: Final = (
    "US National Household Travel Survey 2001, daily driving of a driver",
    "https://www.scribd.com/doc/1637006/Transportation-Statistics-table-12",
)
_OVMS: Final = (
    "OVMS v3, server v3 (MQTT)",
    "https://github.com/openvehicles/Open-Vehicle-Monitoring-System-3/blob/master/vehicle/OVMS.V3/components/ovms_server_v3/src/ovms_server_v3.cpp",
)
_ASLEEP: Final = ("What an open-source logger of electric cars takes for sleep", "")
_SHARING: Final = (
    "A car-sharing fleet (HiveMQ case studies); OVMS, a tenth driving or charging",
    "",
)
_TRACKER: Final = (
    "GPRS tracker vendor's planning figure",
    "http://swman.atlassian.net/wiki/spaces/GPSDE/pages/3080601/Wichtige+Voraussetzungen",
)
_MEASURED: Final = ("Own measurement of VSS signals as JSON", "")

PUBLISHED: Final[tuple[Figure, ...]] = (
    Figure("moving_percent", "time on the move", "%", 3.0, 5.0, "3 to 4 %; 5 % from another survey", *_RAC),
    Figure("home_percent", "time parked at home", "%", 73.0, 80.0, "73 to 80 %", *_RAC),
    Figure("trips_a_day", "trips per car and day", "", 2.3, 2.9, "18 a week: 2.6", *_RAC),
    Figure("trip_min", "length of a trip in time", "min", 18.0, 22.0, "20 min on average", *_RAC),
    Figure("trip_km_h", "speed over a trip", "km/h", 46.0, 56.0, "29 miles in 55 min: 51 km/h", *_NHTS),
    Figure("day_km", "distance per car and day", "km", 33.8, 46.7, "21 (women) to 29 miles (all)", *_NHTS),
    Figure("driving_s", "publish interval, driving", "s", 4.5, 5.5, "5 s", *_OVMS),
    Figure("charging_s", "publish interval, charging", "s", 10.0, 600.0, "10 s where values change", *_OVMS),
    Figure("awake_s", "publish interval, parked and awake", "s", 54.0, 66.0, "60 s", *_OVMS),
    Figure("asleep_s", "publish interval, parked and asleep", "s", 540.0, 660.0, "600 s", *_OVMS),
    Figure("awake_min", "awake after switching off", "min", 13.5, 16.5, "15 min, then asleep", *_ASLEEP),
    Figure("messages_per_s", "messages per car and second", "", 0.0165, 0.019, "90,000 a minute from 80,000",
           *_SHARING),
    Figure("month_mb", "data per car and month, as sent", "MB", 10.0, 50.0, "10 to 50 MB", *_TRACKER),
    Figure("telemetry_bytes", "size of a telemetry message", "B", 54.0, 595.0, "1 to 12 signals",
           *_MEASURED),
)  # fmt: skip
