"""What an operator changes of the dead letters: transactions of the writer, between its group commits."""

from __future__ import annotations

import uuid

from actors.database.commit import encode_outbox
from actors.dead_letter import replay_id
from actors.errors import ReplayRefused
from actors.messages import OutboxBatch, PurgeDeadLetters, ReplayDeadLetter
from actors.redaction import substitute
from actors.rows import OutboundMessage
from persistence.database import Database
from settings import program


def replay(database: Database, message: ReplayDeadLetter) -> OutboxBatch:
    """Note the replay and keep the original to be published, in one transaction; returns what to publish.

    If giving the message up used its inbox key, and nothing else has used it since, the key is free again: whoever
    handles the message first, it counts once, however often it is replayed.

    Raises:
        ReplayRefused: it is gone, another replay came first, or its bytes were not kept.
        Unavailable, Conflict: the outcome is unknown; if it was done, the outbox has the batch.
    """
    with database.writer_unit() as work:
        letter = work.dead_letters.claim(message.id, again=message.again)
        if letter is None:
            raise ReplayRefused(f"{message.id} was purged or replayed by now; see `{program()} dlq list`")
        if letter.payload_lost:
            raise ReplayRefused(f"{letter.id} cannot be replayed: {letter.payload_lost}; send the message anew")
        if letter.message_id is not None:
            work.inbox.release(letter.consumer, letter.message_id, letter.created_at)
        identity = replay_id(letter.id, letter.replays, letter.stored_at or letter.created_at)
        batch = OutboxBatch(str(uuid.uuid4()), (OutboundMessage(letter.subject, identity, letter.payload),))
        secret = substitute(letter.subject, letter.payload) is not None
        work.outbox.add(batch.id, encode_outbox(batch.messages), secret=secret)
        work.commit()
    return batch


def purge(database: Database, message: PurgeDeadLetters) -> int:
    """Delete old letters; returns how many went.

    Raises:
        Unavailable, Conflict: try again.
    """
    with database.writer_unit() as work:
        gone = work.dead_letters.purge(message.before, message.limit)
        work.commit()
    return gone
