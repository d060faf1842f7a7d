"""The bytes of dead letters at rest: exact where nothing is secret, sealed or left out where something is."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from persistence.database import Database, open_database
from persistence.kept_payloads import HEAD_BYTES, is_current, keep, original_size, read
from persistence.token_cipher import TokenCipher
from settings import DatabaseSettings
from tests.persistence.rows import Letter

NO_KEY = TokenCipher([])
SECRET = b'{"access_token": "s3cr3t"}'
MASKED = b'{"access_token": "********"}'


def key() -> str:
    return Fernet.generate_key().decode()


@given(st.binary() | st.sampled_from([b"fernet:9:x", b"masked:1:", b"withheld:2:a", b"plain:", b"plain:fernet:1:"]))
def test_bytes_without_a_secret_are_kept_exactly_and_have_their_size(data: bytes) -> None:
    kept = keep(data, None, NO_KEY)

    assert (read(kept, NO_KEY).data, read(kept, NO_KEY).lost) == (data, None)
    assert original_size(kept[:HEAD_BYTES], len(kept)) == read(kept, NO_KEY).size == len(data)


def test_with_a_key_a_secret_is_sealed_and_can_be_had_again() -> None:
    cipher = TokenCipher([key()])
    kept = keep(SECRET, MASKED, cipher)

    assert b"s3cr3t" not in kept
    assert (read(kept, cipher).data, read(kept, cipher).lost) == (SECRET, None)
    assert original_size(kept[:HEAD_BYTES], len(kept)) == len(SECRET)


@pytest.mark.parametrize(("substitute", "left"), [(MASKED, MASKED), (b"", b"")])
def test_without_a_key_what_may_be_kept_of_it_is_all_there_is(substitute: bytes, left: bytes) -> None:
    found = read(keep(SECRET, substitute, NO_KEY), NO_KEY)

    assert (found.data, found.size) == (left, len(SECRET))
    assert "AUTH__TOKEN_KEYS" in str(found.lost)


def test_with_another_key_nothing_can_be_had_of_it() -> None:
    kept = keep(SECRET, MASKED, TokenCipher([key()]))

    assert read(kept, TokenCipher([key()])).data == b""
    assert "sealed with a key" in str(read(kept, NO_KEY).lost)


def test_letters_are_sealed_anew_and_those_in_clear_for_the_first_time(database: Database, database_url: str) -> None:
    old, new = key(), key()
    plain, secret, sealed = Letter(payload=b"{bad"), Letter(payload=SECRET), Letter(payload=b'"another s3cr3t"')
    with database.writer_unit() as unit:
        unit.dead_letters.add([plain, secret])
        kept = keep(sealed.payload, b"", TokenCipher([old]))
        unit.dead_letters.add([Letter(id=sealed.id, payload=b"x")])
        unit.connection.exec_driver_sql("UPDATE dead_letters SET payload = %s WHERE id = %s", (kept, sealed.id))
        unit.commit()
    rotating = open_database(database_url, DatabaseSettings(), "tests", TokenCipher([new, old]))

    with rotating.writer_unit() as unit:
        first = unit.dead_letters.reseal(None, 2, lambda _, data: MASKED if b"s3cr3t" in data else None)
        rest = unit.dead_letters.reseal(first.last, 2, lambda _, data: MASKED if b"s3cr3t" in data else None)
        end = unit.dead_letters.reseal(rest.last, 2, lambda _, data: None)
        again = unit.dead_letters.reseal(None, 9, lambda _, data: MASKED if b"s3cr3t" in data else None)
        unit.commit()

    assert (first.last is None, rest.last is None, end.last) == (False, False, None)
    assert (first.resealed + rest.resealed, first.in_clear + rest.in_clear) == (1, 1)
    assert (again.resealed, again.in_clear, again.current, again.unreadable) == (0, 0, 2, ())
    rotating.close()
    alone = open_database(database_url, DatabaseSettings(), "tests", TokenCipher([new]))
    with alone.read_unit() as unit:
        payloads = {one.id: one.payload for one in unit.dead_letters.list(9)}
    alone.close()
    assert payloads == {one.id: one.payload for one in (plain, secret, sealed)}


def test_whether_the_first_key_sealed_it_is_told() -> None:
    old, new = key(), key()
    kept = keep(SECRET, MASKED, TokenCipher([old]))

    assert is_current(kept, TokenCipher([old, new])) is True
    assert is_current(kept, TokenCipher([new, old])) is False
    assert is_current(SECRET, TokenCipher([new])) is None


def test_large_letters_are_sealed_a_few_at_a_time(database: Database, database_url: str) -> None:
    with database.writer_unit() as unit:
        unit.dead_letters.add([Letter(payload=b"x" * (1 << 20)) for _ in range(5)])
        unit.commit()
    sealing = open_database(database_url, DatabaseSettings(), "tests", TokenCipher([key()]))

    done, after = [], None
    with sealing.writer_unit() as unit:
        while (part := unit.dead_letters.reseal(after, 100, lambda *_: b"")).last is not None:
            done.append(part.in_clear)
            after = part.last
    sealing.close()

    assert done == [2, 2, 1]
