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
        assert [(one.id, one.messages) for one in unit.outbox.load(2)] == [
            (ids[0], b"\x00\xff\x00"),
            (ids[1], b"\x00\xff\x01"),
        ]
        assert unit.outbox.delete([ids[0], ids[2], str(uuid.uuid4())]) == 2
        assert [one.id for one in unit.outbox.load(10)] == [ids[1]]


def test_deleting_nothing_is_no_error(database: Database) -> None:
    with database.writer_unit() as unit:
        assert unit.outbox.delete([]) == 0
