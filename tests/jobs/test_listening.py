"""The real command, as typed: while it runs, the kernel is asked which sockets its processes listen on."""

from __future__ import annotations

import ipaddress
import os
import sys
import time
from pathlib import Path

import pytest

from cardio_ner.report.tables import open_tables
from processes import PATIENCE, processes_of, running

ROOT = Path(__file__).parents[2]
SUBMIT = Path(sys.executable).with_name("spark-submit")
LISTEN = "0A"

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc, as Linux has it")


def sockets_of(session_id: int) -> set[str]:
    """Inodes of the sockets that the session's processes hold."""
    found = set()
    for folder in processes_of(session_id):
        try:
            links = [str(descriptor.readlink()) for descriptor in (folder / "fd").iterdir()]
        except OSError:
            continue
        found |= {link[8:-1] for link in links if link.startswith("socket:[")}
    return found


def address_of(hexadecimal: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the kernel prints it: words of four bytes, each in the machine's order."""
    raw = bytes.fromhex(hexadecimal)
    packed = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def listening(session_id: int) -> set[str]:
    """The addresses on which the session's processes accept TCP connections."""
    held = sockets_of(session_id)
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else ():
            fields = line.split()
            if fields[3] == LISTEN and fields[9] in held:
                found.add(str(address_of(fields[1].partition(":")[0])))
    return found


def test_a_plain_local_run_listens_on_loopback_alone_and_has_no_web_ui(tmp_path: Path) -> None:
    (tmp_path / "es").mkdir()
    (tmp_path / "es/1.txt").write_text("Toma enalapril por su HTA.", encoding="utf-8")
    mine = ("SPARK_", "PYSPARK_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(mine)}
    environment["PYSPARK_PYTHON"] = sys.executable
    command = [SUBMIT, "--master", "local[2]", ROOT / "jobs/annotate.py", "--input", "es", "--output", "out"]
    seen: set[str] = set()
    deadline = time.monotonic() + PATIENCE
    with running(command, log=tmp_path / "log", cwd=tmp_path, env=environment) as run:
        while run.poll() is None and time.monotonic() < deadline:
            seen |= listening(run.pid)
            time.sleep(0.5)
    assert run.returncode == 0, (tmp_path / "log").read_text(encoding="utf-8", errors="replace")[-2000:]
    assert seen == {"127.0.0.1"}
    # With no option but the two that it must have, it tags with the checkpoint that ships.
    found = open_tables(tmp_path / "out").execute("SELECT doc_id, entity_type, text FROM spans_current").fetchall()
    assert ("1", "MEDICATION", "enalapril") in found
