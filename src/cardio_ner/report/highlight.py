"""A record with its mentions in colour and named, for a terminal.

Contract: the record's characters are shown as they are, in order, but for control characters, which a terminal would
obey. Only colour, and the type in small letters after each mention, are added. Mentions that overlap show both types.
"""

from __future__ import annotations

from rich.text import Text

from cardio_ner.document import DISEASE, MEDICATION, Document
from cardio_ner.report.pieces import pieces
from cardio_ner.report.terminal import printable

STYLES = {DISEASE: "bold white on dark_red", MEDICATION: "bold white on dark_blue"}
OTHER_STYLE = "bold black on yellow"


def highlight(document: Document) -> Text:
    """The record as rich text. It is put together piece by piece: control characters are dropped, so the offsets of the
    record are not those of the shown text."""
    shown = Text()
    for piece in pieces(document):
        inside = [document.spans[place] for place in piece.covered_by]
        style = STYLES.get(inside[-1].entity_type, OTHER_STYLE) if inside else ""
        shown.append(printable(document.text[piece.start : piece.end]), style=style)
        for span in inside:
            if span.end == piece.end:
                shown.append(f"[{span.entity_type.lower()}]", style="dim")
    return shown
