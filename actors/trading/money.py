"""Exact decimal arithmetic: money is never rounded by accident.

All sums and products of the books run inside `exact()`, whose precision holds any amount that `is_bookable`
admits, and which raises `decimal.Inexact` instead of rounding. The only deliberate roundings are `share` and
`average`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    getcontext,
    localcontext,
)

ZERO = Decimal(0)
MAX_DECIMALS = 48
MAX_WHOLE_DIGITS = 32
MOST_SHOWN = 60
"""Characters of a value in the reason why it is no amount."""

_PLACES = Decimal("1E-10")
_EXACT = Context(
    prec=100,
    rounding=ROUND_HALF_EVEN,
    traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, FloatOperation],
)
_STAY = nullcontext()
_ROUNDED = Context(prec=100, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])


def exact() -> AbstractContextManager[Context | None]:
    """The context of this thread in which decimals are exact or `decimal.Inexact` is raised; it costs little inside."""
    return _STAY if getcontext().traps[Inexact] else localcontext(_EXACT)


def share(amount: Decimal, part: int, whole: int) -> Decimal:
    """`amount * part / whole`, to 10 decimal places, ties to even. Called inside `exact()`."""
    return _ROUNDED.quantize(_ROUNDED.divide(amount * part, Decimal(whole)), _PLACES)


def average(amount: Decimal, count: int) -> Decimal:
    """`amount / count`, to 10 decimal places, ties to even; 0 for a count of 0."""
    return share(amount, 1, count) if count else ZERO


def is_bookable(amount: Decimal) -> bool:
    """Whether the amount is finite and so far from the precision's end that sums over any book stay exact."""
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MAX_DECIMALS and amount.adjusted() < MAX_WHOLE_DIGITS


def wire(amount: Decimal) -> str:
    """The amount as it stands in JSON: all its digits, never an exponent."""
    return format(amount, "f")


def parse(value: object) -> Decimal:
    """A stored amount: a decimal, an int, a string, or a float by its shortest digits.

    Raises:
        TypeError: it is none of these.
        ValueError: it is no number, not finite, or too long to be booked exactly.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        raise TypeError(f"{_shown(value)} is not an amount")
    try:
        amount = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{_shown(value)} is not an amount") from None
    if not is_bookable(amount):
        raise ValueError(f"{_shown(value)} is not an amount that can be booked exactly")
    return amount


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
