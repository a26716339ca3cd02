"""What is drawn in an SVG file that matplotlib wrote, whose text is text."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"
Points = list[tuple[float, float]]


def texts_of(file: Path) -> list[str]:
    """Every text of the picture. Raises where the file is no SVG."""
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    assert root.tag == f"{SVG}svg"
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def curves_of(file: Path) -> list[Points]:
    """The open lines of two points or more, each scaled to a box from 0 to 1, upwards."""
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    lines = [path.get("d", "") for group in root.iter(f"{SVG}g") for path in group.findall(f"{SVG}path[@clip-path]")]
    return [scaled([(x, -y) for x, y in _points(line)]) for line in lines]


def _points(line: str) -> Points:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", line)]


def scaled(points: Points) -> Points:
    """The points in a box from 0 to 1: what is left of them when axes are chosen."""
    columns = []
    for values in zip(*points, strict=True):
        low, high = min(values), max(values)
        columns.append([round((value - low) / (high - low or 1), 3) for value in values])
    return list(zip(*columns, strict=True))
