from __future__ import annotations

import uuid

from persistence.database import Database


def test_batches_come_back_oldest_first_and_only_until_published(database: Database) -> None:
    ids = [str(uuid.uuid4()) for _ in range(3)]
    for number, one in enumerate(ids):
        with database.writer_unit() as unit:
            unit.outbox.add(one, bytes([0, 255, number]))
            unit.commit()

    with database.writer_unit() as unit:
        assert [(one.id, one.messages) for one in unit.outbox.load(4)[0]] == [
            (ids[0], b"\x00\xff\x00"),
            (ids[1], b"\x00\xff\x01"),
        ]
        assert unit.outbox.delete([ids[0], ids[2], str(uuid.uuid4())]) == 2
        assert [one.id for one in unit.outbox.load(100)[0]] == [ids[1]]


def test_a_piece_begins_after_the_last_one_and_is_never_empty_while_there_is_more(database: Database) -> None:
    for number in range(5):
        with database.writer_unit() as unit:
            unit.outbox.add(str(uuid.uuid4()), bytes([number]) * 1000)
            unit.commit()

    read, after = [], None
    with database.read_unit() as unit:
        while piece := unit.outbox.load(10, after=after)[0]:
            assert len(piece) == 1
            read += [one.messages[0] for one in piece]
            after = (piece[-1].created_at, piece[-1].id)

    assert read == [0, 1, 2, 3, 4]


def test_rows_that_are_too_young_are_left_out(database: Database) -> None:
    with database.writer_unit() as unit:
        unit.outbox.add(str(uuid.uuid4()), b"new")
        unit.commit()

    with database.read_unit() as unit:
        assert unit.outbox.load(100, min_age_s=60)[0] == []
        assert len(unit.outbox.load(100)[0]) == 1


def test_deleting_nothing_is_no_error(database: Database) -> None:
    with database.writer_unit() as unit:
        assert unit.outbox.delete([]) == 0
