"""One candidate as a child process: `python -m candidates NAME TASK`, TASK as JSON. Started by comparison/children.py.

The candidate's module is imported by its name, never run as `__main__`: Spark's workers then import it too, and keep
what they loaded from one round to the next.
"""

from __future__ import annotations

import importlib
import json
import sys

from candidates.protocol import Task, serve

if __name__ == "__main__":
    name, task = sys.argv[1:]
    serve(importlib.import_module(f"candidates.{name}").open_candidate, Task(**json.loads(task)))
