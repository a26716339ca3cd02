"""A record with its mentions in colour and named, for a terminal.

Contract: the record's characters are shown as they are, in order, but for control characters, which a terminal would
obey. Only colour, and the type in small letters after each mention, are added. Mentions that overlap show both types.
"""

from __future__ import annotations

from itertools import pairwise

from rich.text import Text

from cardio_ner.document import DISEASE, MEDICATION, Document
from cardio_ner.report.terminal import printable

STYLES = {DISEASE: "bold white on dark_red", MEDICATION: "bold white on dark_blue"}
OTHER_STYLE = "bold black on yellow"


def highlight(document: Document) -> Text:
    """The record as rich text. It is put together piece by piece: control characters are dropped, so the offsets of the
    record are not those of the shown text."""
    edges = {0, len(document.text)} | {edge for span in document.spans for edge in (span.start, span.end)}
    shown = Text()
    for start, end in pairwise(sorted(edges)):
        inside = [span for span in document.spans if span.start <= start and end <= span.end]
        innermost = min(inside, key=lambda span: span.end - span.start, default=None)
        style = "" if innermost is None else STYLES.get(innermost.entity_type, OTHER_STYLE)
        shown.append(printable(document.text[start:end]), style=style)
        for span in inside:
            if span.end == end:
                shown.append(f"[{span.entity_type.lower()}]", style="dim")
    return shown
