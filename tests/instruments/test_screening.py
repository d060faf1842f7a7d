"""Valid lines pass as they are, the others are refused by number and reason."""

from __future__ import annotations

import gzip
import io
import tracemalloc

import pytest

from benchmarks.database import dump as generated
from persistence.instrument_file.layout import KITE as COLUMNS
from persistence.instrument_file.layout import SHORT, UnusableFile
from persistence.instrument_file.screening import REFUSALS_KEPT, Screening
from persistence.instrument_file.source import BLOCK_BYTES, Source
from tests.instruments.files import INFY, KITE, OPTION, RELIANCE, dump, refusals, screened

MIB = 1 << 20


def test_valid_lines_pass_unchanged() -> None:
    screening, lines = screened(dump(INFY, RELIANCE, OPTION))

    assert lines == [INFY, RELIANCE, OPTION]
    assert (screening.rows, screening.refused, screening.layout.columns) == (3, 0, COLUMNS)


def test_a_whole_dump_passes_unchanged() -> None:
    rows = list(generated.lines(5_000))

    screening, lines = screened("\n".join(rows).encode())

    assert lines == rows[1:]
    assert screening.refused == 0


def test_bad_lines_are_told_by_number_and_the_rest_passes() -> None:
    data = dump("# a comment", INFY, "", "1,2,3", RELIANCE.replace(",1,EQ", ",-1,EQ"), "  ", OPTION, "x" + INFY)

    screening, lines = screened(data)

    assert lines == [INFY, OPTION]
    assert refusals(data) == [
        (5, "has 3 columns instead of 12"),
        (6, "lot_size '-1' is less than 0"),
        (9, "instrument_token 'x408065' is no whole number"),
    ]
    assert screening.refused_tokens == {738561}
    assert screening.unknown == 2


def test_every_problem_of_a_line_is_told() -> None:
    bad = INFY.replace("1500.5", "much").replace(",1,EQ", ",one,EQ")

    assert refusals(dump(bad)) == [(2, "last_price 'much' is no number; lot_size 'one' is no whole number")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (INFY.encode() + b"," + b"x" * 70_000, "is longer than 65536 bytes"),
        (INFY.replace("INFOSYS", "INF\0SYS").encode(), "has a NUL character at column 21"),
        (INFY.encode().replace(b"INFOSYS", b"INF\xd3SYS"), "is not UTF-8: byte 0xd3 at column 21"),
        (INFY.replace("INFOSYS", '"INFOSYS').encode(), "its quotes do not close, or stand within a value"),
        (INFY.replace("INFOSYS", "INF\rOSYS").encode(), "has a carriage return at column 21"),
    ],
)
def test_a_hostile_line_is_refused_and_the_next_one_passes(line: bytes, reason: str) -> None:
    data = dump(RELIANCE) + line + b"\n" + dump(OPTION, header=None)

    assert refusals(data) == [(3, reason)]
    assert screened(data)[1] == [RELIANCE, OPTION]


def test_a_quoted_value_may_hold_commas_and_quotes() -> None:
    row = INFY.replace("INFOSYS", '"INFOSYS, ""THE"" COMPANY"')

    assert screened(dump(row))[1] == [row.replace("1500.5", "1500.5000").replace(",0,0.05", ",0.0000,0.0500")]


def test_blanks_around_values_are_dropped_and_other_alphabets_kept() -> None:
    assert screened(b"instrument_token,tradingsymbol,name,exchange\n 7 , A , \xe0\xa4\x9f\xe0\xa4\xbe ,NSE\n")[1] == [
        "7,A,टा,NSE"
    ]


def test_columns_come_in_any_order_and_in_any_case() -> None:
    screening, lines = screened(b"Exchange, NAME,tradingsymbol,Instrument_Token\nNSE,INFOSYS,INFY,408065\n")

    assert lines == ["NSE,INFOSYS,INFY,408065"]
    assert screening.layout.columns == ("exchange", "name", "tradingsymbol", "instrument_token")


@pytest.mark.parametrize(("row", "columns"), [(INFY, COLUMNS), ("408065,INFY,INFOSYS,NSE", SHORT)])
def test_a_file_without_a_header_is_known_by_its_columns(row: str, columns: tuple[str, ...]) -> None:
    screening, lines = screened(dump("# no header", row, header=None))

    assert lines == [row]
    assert screening.layout.columns == columns


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "test.csv is empty"),
        (b"\n# only comments\n\n", "test.csv is empty"),
        (b"token,symbol\n1,A\n", "of 2 columns: unknown column at place 1, 2; no column instrument_token"),
        (KITE.replace("exchange_token", "name").encode(), "twice name"),
        (b"1,2,3\n", "is no header and has 3 columns"),
        (b"<html><body>Forbidden</body></html>\n", "wrong header of 1 columns: unknown column at place 1"),
        (b"\xff\xff\xff\n", "first line is not UTF-8: byte 0xff at column 1"),
        (b"x" * 200_000, "first line is longer than 65536 bytes"),
    ],
)
def test_a_file_of_which_nothing_can_be_used_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(UnusableFile, match=reason):
        screened(data)


@pytest.mark.parametrize("line", ["hunter2", "alice,hunter2", "instrument_token,hunter2,name,exchange", "7,hunter2,x"])
def test_nothing_of_a_first_line_that_is_no_header_is_shown(line: str) -> None:
    with pytest.raises(UnusableFile) as refusal:
        screened(f"{line}\nhunter2\n".encode())

    assert "hunter2" not in str(refusal.value)
    assert f"{line.count(',') + 1} column" in str(refusal.value)


def test_of_very_many_bad_lines_only_the_first_are_kept_and_all_are_counted() -> None:
    screening, _ = screened(dump(*["bad"] * (REFUSALS_KEPT + 5)))

    assert len(screening.refusals) == REFUSALS_KEPT
    assert screening.refused == REFUSALS_KEPT + 5


@pytest.mark.parametrize(
    "line",
    [b"\n", b"x\n", b"#\n", b"x" * 70_000 + b"\n", b"," * 60_000 + b"\n", b"x" * 4 * MIB],
    ids=["blank", "short", "comment", "too long", "many columns", "no end"],
)
def test_lines_that_are_no_rows_take_no_memory_however_many_or_long_they_are(line: bytes) -> None:
    data = gzip.compress(dump(INFY) + line * max(1, 5 * BLOCK_BYTES // 4 // len(line)), compresslevel=1)
    tracemalloc.start()
    try:
        screening = Screening(Source(io.BytesIO(data), "test.csv.gz"))
        rows = list(iter(screening.read, b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert rows == [f"{INFY}\n".encode()]
    assert peak < 3 * MIB
