"""A whole fleet reconnects within a minute, with everything that waited, while it goes on alarming."""

from __future__ import annotations

import argparse

from bench import outage
from bench.outage import Plan

USUAL = Plan(vehicles=1_000, rate=100.0, before_s=12.0, away_s=3.0, after_s=25.0)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    outage.add_options(parser, USUAL)


def main(options: argparse.Namespace) -> int:
    """Run, report, judge."""
    return outage.main(options, "storm")
