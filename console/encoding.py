"""Arguments that the shell has handed over in another encoding than UTF-8: they can be neither stored nor sent."""

from __future__ import annotations

from console.failure import USAGE, Failure


def demand_utf8(what: str, text: str) -> None:
    """Refuse a text that was not UTF-8, as Python has it then with lone surrogates.

    Raises:
        Failure: it was not; the message shows it with these spelled out.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Failure(f"{what} {text!a} is not UTF-8; give it in UTF-8", USAGE) from None
