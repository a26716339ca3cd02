"""Tagging in a child process, for a batch whose earlier attempt did not finish: what kills a process costs one row.

Contract
- The same outcomes as `tagging.tag_each` in the worker itself: the same code, environment (and so threads), path.
- A child that dies (killed, crashed, GPU lost) is replaced, and the documents that it had are halved. A document that
  kills two children by itself is `failed` with error_type `WorkerDied`.
- A child that dies before it got any document ends the task: no document is to blame.
- No time limit: the work on a document grows with its length alone, and a limit would be a guess about the machine. A
  child that is killed by hand counts as dead, and the rest goes on.
- The child's stdout and stderr lead nowhere and it leaves no core file: they would hold text. It ends with its parent.
- Children are forked from a server that has imported torch and computed nothing: a new one costs the loading of the
  weights. The server stays until the Python worker ends.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType

from cardio_ner.document import Document
from cardio_ner.errors import CheckpointError, DeviceLostError
from cardio_ner.spark.tagging import Outcome, TaggerSpec, isolate, silence, tag_each

LONGEST_FOLDER = 70
"""Bytes of a path that a socket of the server's may lie below: it adds `/pymp-abcdefgh/listener-abcdefgh`."""


class WorkerDied(Exception):  # noqa: N818  the name is what the row's error_type says
    """The child process died."""


class TaggingProcess:
    """A child process that tags; started with the first documents, and again after each death.

    A context: with its end the child ends.
    """

    def __init__(self) -> None:
        self._child: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._ready: set[TaggerSpec] = set()

    def __enter__(self) -> TaggingProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def tag_each(self, spec: TaggerSpec, documents: Sequence[Document]) -> list[Outcome]:
        """One outcome per document, in order. Raises CheckpointError or DeviceError."""
        return isolate(partial(self._tag, spec), documents, blamed=WorkerDied)

    def _tag(self, spec: TaggerSpec, documents: Sequence[Document]) -> list[Outcome]:
        try:
            return self._ask(spec, documents)
        except WorkerDied:
            if len(documents) > 1:
                raise
        return self._ask(spec, documents)  # the first death may have been another's doing: memory, an operator

    def _ask(self, spec: TaggerSpec, documents: Sequence[Document]) -> list[Outcome]:
        """The child's outcomes. Raises WorkerDied, or what the child could not blame on a document."""
        if spec not in self._ready:
            try:
                self._exchange(spec, [])
            except WorkerDied as error:
                raise CheckpointError(
                    f"{spec.model.name}: {error} while it loaded: expected the weights to fit; give workers more memory"
                ) from None
            self._ready.add(spec)
        return self._exchange(spec, documents)

    def _exchange(self, spec: TaggerSpec, documents: Sequence[Document]) -> list[Outcome]:
        pipe = self._pipe or self._start()
        try:
            pipe.send((spec, documents))
            answer = pipe.recv()
        except (EOFError, OSError):
            raise WorkerDied(f"the child process ended with status {self._end()}") from None
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    def _start(self) -> Connection:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._pipe, far_end = context.Pipe()
        self._child = context.Process(target=serve, args=(far_end,), daemon=True)
        with _short_temporary_folder():
            self._child.start()
        far_end.close()
        return self._pipe

    def _end(self) -> int | None:
        """The status of the child, now ended."""
        if self._pipe is None or self._child is None:
            return None
        self._pipe.close()
        self._child.kill()
        self._child.join()
        status = self._child.exitcode
        self._pipe = self._child = None
        self._ready.clear()
        return status


@contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Temporary files lie in /tmp where their folder's name leaves no room for a socket's: 107 bytes with all (a YARN
    container's may have more). The server has one from its first start on."""
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_FOLDER:
        tempfile.tempdir = "/tmp"
    try:
        yield
    finally:
        tempfile.tempdir = before


def serve(pipe: Connection) -> None:
    """The child: answer requests until the parent is gone."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with silence():
        while True:
            try:
                spec, documents = pipe.recv()
            except (EOFError, OSError):
                return
            pipe.send(_answer(spec, documents))


def _answer(spec: TaggerSpec, documents: Sequence[Document]) -> list[Outcome] | Exception:
    try:
        return tag_each(spec, documents)
    except DeviceLostError:
        os._exit(1)  # this process is of no more use; the parent finds the document with new ones
    except Exception as error:  # noqa: BLE001  the parent's to judge
        return error
