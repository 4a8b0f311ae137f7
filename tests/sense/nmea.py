"""A recorded track as the sentences a GPS receiver would have sent (NMEA 0183: RMC and GGA)."""

from __future__ import annotations

import csv
import functools
import operator
import time
from pathlib import Path


def sentences(fixes: Path, first_s: float, last_s: float) -> list[str]:
    """The fixes between two seconds of `gnss_ublox.csv`, two sentences each."""
    lines = []
    with fixes.open() as file:
        for row in csv.DictReader(file):
            if first_s <= float(row["t"]) <= last_s:
                lines += _sentences(
                    *(float(row[name]) for name in ("utc_unix_s", "lat", "lon", "alt_m", "speed_mps", "bearing_deg"))
                )
    return lines


def _sentences(utc: float, lat: float, lon: float, alt_m: float, speed_mps: float, bearing: float) -> list[str]:
    second = time.gmtime(utc)
    clock = time.strftime("%H%M%S", second) + f"{utc % 1:.2f}"[1:]
    place = f"{_degrees(lat, 2)},{'N' if lat >= 0 else 'S'},{_degrees(lon, 3)},{'E' if lon >= 0 else 'W'}"
    date = time.strftime("%d%m%y", second)
    return [
        _sealed(f"GPRMC,{clock},A,{place},{speed_mps / 0.514444:.3f},{bearing:.2f},{date},,,A"),
        _sealed(f"GPGGA,{clock},{place},1,09,0.9,{alt_m:.1f},M,0.0,M,,"),
    ]


def _degrees(value: float, digits: int) -> str:
    whole, minutes = divmod(abs(value) * 60, 60)
    return f"{int(whole):0{digits}d}{minutes:08.5f}"


def _sealed(body: str) -> str:
    checksum = functools.reduce(operator.xor, body.encode())
    return f"${body}*{checksum:02X}"
