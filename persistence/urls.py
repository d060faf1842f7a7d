"""Database URLs: any spelling that users bring, made usable and made safe to show."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from persistence.errors import Misconfigured

_ADVICE = "give it as postgresql://user:password@host:5432/name"


def normalise_url(url: str) -> URL:
    """The URL with our driver: any `postgresql[+driver]://` or `postgres://` runs on psycopg2.

    Raises:
        Misconfigured: it is not a PostgreSQL URL; the message does not repeat it, as it may hold a password.
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme.partition("+")[0].lower() not in {"postgresql", "postgres"}:
        raise Misconfigured(f"the database URL is not a PostgreSQL one: {_ADVICE}")
    try:
        read = make_url(f"postgresql+psycopg2://{rest}")
    except (ArgumentError, ValueError):
        raise Misconfigured(
            f"the database URL cannot be read: {_ADVICE}; several hosts as ?host=a:5432&host=b:5432"
        ) from None
    if "@" in (read.host or ""):
        raise Misconfigured("the database URL has an '@' in its user or password: write it as %40")
    if "\0" in rest or "%00" in rest:
        raise Misconfigured("the database URL contains a NUL character")
    return read


def safe_url(url: str | URL) -> str:
    """The URL for logs and status, its password masked wherever it stands."""
    read = url if isinstance(url, URL) else normalise_url(url)
    if "password" in read.query:
        read = read.update_query_dict({"password": "***"})
    return read.set(drivername="postgresql").render_as_string(hide_password=True)
