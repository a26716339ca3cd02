"""A record with its mentions in colour and named, for a terminal.

Contract: the record's characters are shown as they are, in order; only colour, and a small tag after each mention, are
added. Nested mentions of other types get both colours.
"""

from __future__ import annotations

from rich.text import Text

from cardio_ner.document import DISEASE, MEDICATION, Document

STYLES = {DISEASE: "bold white on dark_red", MEDICATION: "bold white on dark_blue"}
OTHER_STYLE = "bold black on yellow"


def highlight(document: Document) -> Text:
    """The record as rich text: each mention in its type's colour, followed by the type in small letters."""
    text = Text(document.text)
    for span in document.spans:
        text.stylize(STYLES.get(span.entity_type, OTHER_STYLE), span.start, span.end)
    shown = Text()
    done = 0
    for span in sorted(document.spans, key=lambda s: (s.end, s.start)):
        shown.append_text(text[done : span.end])
        shown.append(f"[{span.entity_type.lower()}]", style="dim")
        done = span.end
    return shown.append_text(text[done:])
