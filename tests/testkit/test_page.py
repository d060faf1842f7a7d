"""docs/testing-actors.md shows nothing that is not tested here, and names all there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actors import testkit

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "testing-actors.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TESTS = {path.name: path.read_text() for path in sorted(HERE.glob("test_*.py"))}
TABLE = PAGE.partition("## Every name")[2]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_each_example_is_part_of_a_test(number: int) -> None:
    assert [name for name, text in TESTS.items() if EXAMPLES[number] in text] != [], EXAMPLES[number]


def test_every_name_of_the_kit_is_in_the_table() -> None:
    first_cells = " ".join(line.split("|")[1] for line in TABLE.splitlines() if line.startswith("| `"))

    assert set(re.findall(r"`(\w+)", first_cells)) == set(testkit.__all__)


@pytest.mark.parametrize("name", ["Stepper", "Grove", "Neighbour", "Probe"])
def test_every_method_is_named_in_the_row_of_its_class(name: str) -> None:
    row = next(line for line in TABLE.splitlines() if line.startswith(f"| `{name}"))
    left_out = {"launch", "close", "join", "receive"}

    methods = {method for method in vars(getattr(testkit, name)) if not method.startswith("_")} - left_out
    assert methods - set(re.findall(r"`(\w+)", row)) == set()
