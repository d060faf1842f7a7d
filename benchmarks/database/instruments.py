"""A broker's dump of instruments into an empty catalogue, and once more into the full one."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.dialects.postgresql import insert

from benchmarks.database import dump
from benchmarks.database.server import server
from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Sample, Side, Target
from benchmarks.path.processes import ROOT, environment
from benchmarks.path.servers import connect, execute, fetch
from benchmarks.rounds import interleave, seconds
from persistence.database import open_database
from persistence.embedded import candidates
from persistence.instrument_file.fields import FIELDS
from persistence.instrument_file.screening import Screening
from persistence.instrument_file.source import open_source
from persistence.instrument_load import LoadOrder, load
from persistence.models import instruments as table
from persistence.urls import normalise_url
from settings import DatabaseSettings

COLUMNS = tuple(FIELDS)
MERGED = tuple(name for name in COLUMNS if name != "instrument_token")
BATCH = 1_000
SHARE = 12
"""The peers that go row by row take minutes for the whole file, and load so small a part of it, into nothing and once
only; their table stays smaller, which is to their favour."""
MIB = 1 << 20
BY_ROW = f"""
    INSERT INTO instruments ({", ".join(COLUMNS)}, is_active)
    VALUES ({", ".join(f"%({name})s" for name in COLUMNS)}, true)
    ON CONFLICT (instrument_token) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in MERGED)},
           is_active = true, updated_at = now()
"""
BY_PSQL = f"""
    BEGIN;
    CREATE TEMP TABLE lines AS SELECT {", ".join(COLUMNS)} FROM instruments LIMIT 0;
    \\copy lines FROM '{{path}}' WITH (FORMAT csv, HEADER true, FORCE_NOT_NULL (name))
    INSERT INTO instruments ({", ".join(COLUMNS)}, is_active) SELECT {", ".join(COLUMNS)}, true FROM lines
    ON CONFLICT (instrument_token) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in MERGED)},
           is_active = true, updated_at = now();
    COMMIT;
"""
TELL_PEAK = """
import sys
from pathlib import Path
from console.app import execute

code = execute(sys.argv[1:])
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1])
sys.exit(code)
"""
Loading = Callable[[str, Path], None]


def instruments(options: Options) -> list[Measurement]:
    """Rows per second of four ways to load the same file, and the memory of the command."""
    count = options.size(120_000, 2_000)
    few = count // SHARE
    slow: dict[str, Loading] = {
        "by row, each committed": partial(_by_row, committing_each=True),
        "by row, one transaction": partial(_by_row, committing_each=False),
        "values(list)": _by_core,
    }
    with server() as used, tempfile.TemporaryDirectory(prefix="panda-bench-") as directory:
        url, path = used.new_database(), dump.write(Path(directory) / "instruments.csv", count)
        small = dump.write(Path(directory) / "small.csv", 1)
        part = dump.write(Path(directory) / "part.csv", few)
        ours, psql, *others = interleave(
            options,
            *(partial(_rates, url, path, side, count, 2) for side in (load_by_command, _by_psql)),
            *(partial(_rates, url, part, side, few, 1) for side in slow.values()),
        )
        peaks = interleave(options, partial(_peak_mib, url, path), partial(_peak_mib, url, small))
    first, again = (Sample(tuple(rates[pass_] for rates in ours)) for pass_ in (0, 1))
    bounds = dict(zip([*slow, "psql"], (20.0, 20.0, 15.0, 0.6), strict=True))
    peers = {
        name: Sample(tuple(rates[0] for rates in rounds)) for name, rounds in zip(bounds, (*others, psql), strict=True)
    }
    what = f"{count:,} instruments from CSV"
    return [
        *(
            Measurement(
                f"{what}, beside {name}", "rows/s", first, peers[name],
                Target(Side.AT_LEAST, bound, of_ratio=True), name,
            )
            for name, bound in bounds.items()
        ),
        Measurement(
            "the same file once more", "rows/s", again, first,
            Target(Side.AT_LEAST, 1.0, of_ratio=True), "our first load",
        ),
        Measurement(
            "the same file once more, beside psql", "rows/s", again,
            Sample(tuple(rates[1] for rates in psql)), None, "psql",
        ),
        Measurement(
            "memory of `instruments load` at its peak", "MiB", Sample(peaks[0]), Sample(peaks[1]),
            Target(Side.UNDER, 100.0), "the same of one row",
        ),
    ]  # fmt: skip


def _rates(url: str, path: Path, side: Loading, count: int, times: int) -> list[float]:
    """Rows per second of a load into nothing, and of more of the same."""
    execute(url, "TRUNCATE instruments CASCADE")
    rates = [count / seconds(lambda: side(url, path)) for _ in range(times)]
    if fetch(url, "SELECT count(*) FROM instruments WHERE is_active") != count:
        raise BenchmarkFailed("not every instrument was loaded")
    return rates


def load_by_command(url: str, path: Path) -> None:
    """What the command does, but for the start of the interpreter, which the peers do not have."""
    with (
        closing(open_database(url, DatabaseSettings(), "bench")) as database,
        open_source(path, io.BytesIO()) as source,
    ):
        load(database, Screening(source), LoadOrder())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of the file, each value read as ours is."""
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            read = {name: FIELDS[name].read(value.strip()) for name, value in row.items()}
            yield {name: None if value == "" and name != "name" else value for name, value in read.items()}


def _by_row(url: str, path: Path, *, committing_each: bool) -> None:
    with closing(connect(url)) as connection:
        connection.autocommit = committing_each
        with connection.cursor() as cursor:
            for row in _rows(path):
                cursor.execute(BY_ROW, row)
        if not committing_each:
            connection.commit()


def _by_core(url: str, path: Path) -> None:
    engine = create_engine(normalise_url(url))
    try:
        with engine.begin() as connection:
            rows = ({**row, "is_active": True} for row in _rows(path))
            while batch := list(islice(rows, BATCH)):
                statement = insert(table).values(batch)
                merged = {name: statement.excluded[name] for name in (*MERGED, "is_active")}
                connection.execute(statement.on_conflict_do_update(index_elements=["instrument_token"], set_=merged))
    finally:
        engine.dispose()


def _by_psql(url: str, path: Path) -> None:
    target = normalise_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    script = BY_PSQL.format(path=path)
    command = [str(_psql()), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", "-"]
    variables = {**os.environ, **_libpq(target)}
    done = subprocess.run(command, input=script, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkFailed(f"psql: {done.stderr.strip().splitlines()[0]}")


def _libpq(url: str) -> dict[str, str]:
    """The URL as libpq's environment, so that no password is an argument."""
    known = normalise_url(url)
    place = {"PGHOST": str(known.query.get("host", known.host)), "PGPORT": str(known.query.get("port", known.port))}
    return {
        **place,
        "PGUSER": str(known.username),
        "PGPASSWORD": str(known.password),
        "PGDATABASE": str(known.database),
    }


def _psql() -> Path:
    for directory in candidates():
        if os.access(directory / "psql", os.X_OK):
            return directory / "psql"
    raise BenchmarkFailed("no psql beside the PostgreSQL server: install its client")


def _peak_mib(url: str, path: Path) -> float:
    """The largest memory that the command's process had."""
    execute(url, "TRUNCATE instruments CASCADE")
    done = subprocess.run(
        [sys.executable, "-c", TELL_PEAK, "instruments", "load", str(path)],
        cwd=ROOT,
        env=environment(DATABASE__POSTGRES_URL=url),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkFailed(f"`instruments load` failed: {done.stderr.strip()}")
    return int(done.stdout.split()[-1]) * 1024 / MIB
