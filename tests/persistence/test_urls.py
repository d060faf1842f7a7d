from __future__ import annotations

import pytest

from persistence.errors import Misconfigured
from persistence.urls import normalise_url, safe_url


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"])
def test_any_postgresql_url_runs_on_psycopg2(scheme: str) -> None:
    url = normalise_url(f"{scheme}://panda:secret@db:5433/books?sslmode=require")

    assert url.render_as_string(hide_password=False) == (
        "postgresql+psycopg2://panda:secret@db:5433/books?sslmode=require"
    )


@pytest.mark.parametrize("url", ["", "mysql://u:secret@h/d", "postgresql", "postgresql://u:secret@h:port/d"])
def test_another_url_is_misconfigured_and_not_repeated(url: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        normalise_url(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql://panda:secret@db/books", "postgresql+psycopg2://panda@db/books?password=secret"]
)
def test_a_safe_url_masks_the_password(url: str) -> None:
    assert "secret" not in safe_url(url)
    assert safe_url(url).startswith("postgresql://panda")
