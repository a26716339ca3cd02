"""The parent's side of head_to_head.py: corpora ─► children ─► interleaved rounds ─► figures ─► page, JSON, plot."""
