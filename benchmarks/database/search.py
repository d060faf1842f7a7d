"""What an index for searching the catalogue is worth, and what it costs a load: the one there is, trigrams, none."""

from __future__ import annotations

import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.database import dump
from benchmarks.database.instruments import load_by_command
from benchmarks.database.server import server
from benchmarks.measurement import BenchmarkFailed, Measurement, Options, Sample
from benchmarks.path.servers import execute, fetch
from benchmarks.rounds import interleave, quantiles, seconds
from persistence.database import Database, open_database
from settings import DatabaseSettings

PREFIXES = ("idx_instruments_symbol_prefix", "idx_instruments_name_prefix")
NO_PREFIXES = f"DROP INDEX {', '.join(PREFIXES)}"
TRIGRAMS = """
    CREATE EXTENSION pg_trgm;
    CREATE INDEX instruments_trigrams ON instruments
     USING gin (upper(tradingsymbol) gin_trgm_ops, upper(name) gin_trgm_ops)
"""
INDEXES = {
    "two btrees": ("", PREFIXES),
    "trigrams": (f"{NO_PREFIXES}; {TRIGRAMS}", ("instruments_trigrams",)),
    "no index": (NO_PREFIXES, ()),
}
"""By name: how a database comes to it, and the indexes that make it up."""
LIMIT = 20
MIB = 1 << 20


def search(options: Options) -> list[Measurement]:
    """The same search over each index, its size, and a first load beneath it."""
    count, loaded = options.size(150_000, 3_000), options.size(120_000, 2_000)
    asked = options.size(40, 5)
    found = []
    with server() as used, tempfile.TemporaryDirectory(prefix="panda-bench-") as directory:
        whole = dump.write(Path(directory) / "whole.csv", count)
        part = dump.write(Path(directory) / "part.csv", loaded)
        urls = {name: used.new_database() for name in INDEXES}
        for name, url in urls.items():
            if made := INDEXES[name][0]:
                execute(url, made)
        loads = interleave(options, *(partial(_load_s, url, part) for url in urls.values()))
        for url in urls.values():
            _load_s(url, whole)
            execute(url, "VACUUM ANALYZE instruments")
        sizes = [_size_mib(url, INDEXES[name][1]) for name, url in urls.items()]
        for what, texts in (("begins a symbol or name", _beginnings()), ("nothing has", _strangers())):
            chosen = [texts[number % len(texts)] for number in range(asked)]
            times = interleave(options, *(partial(_search_ms, url, chosen) for url in urls.values()))
            for share in (0.5, 0.99):
                told = f"search of {count:,} for a text that {what}, p{share * 100:g}"
                found += _beside_peers(told, "ms", [quantiles(rounds, share) for rounds in times])
    return [
        *found,
        *_beside_peers(f"first load of {loaded:,} instruments", "s", [Sample(rounds) for rounds in loads]),
        *_beside_peers(f"size of the index for {count:,}", "MiB", [Sample((size,)) for size in sizes[:2]]),
    ]  # fmt: skip


def _beside_peers(what: str, unit: str, samples: list[Sample]) -> list[Measurement]:
    ours, *peers = samples
    names = list(INDEXES)[1:]
    return [
        Measurement(f"{what}, beside {name}", unit, ours, peer, None, name)
        for name, peer in zip(names, peers, strict=False)
    ]


def _beginnings() -> list[str]:
    """Three to seven characters that symbols and names begin with, whatever the size of the dump."""
    rows = [line.split(",") for line in dump.lines(1_000)][1:101]
    return [row[column][: 3 + number % 5] for number, row in enumerate(rows) for column in (2, 3) if row[column]]


def _strangers() -> list[str]:
    return [f"QXZ{number}" for number in range(10)]


def _load_s(url: str, path: Path) -> float:
    execute(url, "TRUNCATE instruments CASCADE")
    return seconds(partial(load_by_command, url, path))


def _size_mib(url: str, names: tuple[str, ...]) -> float:
    return sum(float(fetch(url, f"SELECT pg_relation_size('{name}')")) for name in names) / MIB


def _search_ms(url: str, texts: list[str]) -> list[float]:
    with closing(open_database(url, DatabaseSettings(), "bench")) as database:
        _search(database, texts[0])
        return [seconds(partial(_search, database, text)) * 1e3 for text in texts]


def _search(database: Database, text: str) -> None:
    with database.read_unit() as work:
        found = work.instruments.search(text, LIMIT)
    if bool(found) == text.startswith("QXZ"):
        raise BenchmarkFailed(f"a search for {text} found {len(found)} instruments")
