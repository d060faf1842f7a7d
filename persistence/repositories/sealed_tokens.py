"""The tokens of stored sessions, sealed anew when the keys have changed."""

from __future__ import annotations

from sqlalchemy import Connection, select

from persistence import models
from persistence.bulk import encode
from persistence.records import Resealed
from persistence.token_cipher import SEALED, TokenCipher, TokenKeyError

_table = models.trading_sessions
_RESEAL = """
    UPDATE trading_sessions AS stored
    SET session_data = jsonb_set(session_data, '{access_token}', to_jsonb(x.sealed))
    FROM jsonb_to_recordset(CAST(%s AS jsonb)) AS x (user_id text, kept text, sealed text)
    WHERE stored.user_id = x.user_id AND stored.session_data->>'access_token' = x.kept
    RETURNING stored.user_id
"""


class SealedTokens:
    """`session_data["access_token"]` of `trading_sessions`."""

    def __init__(self, connection: Connection, cipher: TokenCipher) -> None:
        self._connection = connection
        self._cipher = cipher

    def reseal(self, after: str | None, limit: int) -> Resealed:
        """Seal the tokens of at most `limit` users, in the order of their ids, with the first key.

        A token that another transaction saved meanwhile is left alone, as it is sealed already. `after` is the last
        user of the portion before.
        """
        kept = _table.c.session_data["access_token"].astext
        wanted = select(_table.c.user_id, kept.label("kept")).where(kept.is_not(None))
        if after is not None:
            wanted = wanted.where(_table.c.user_id > after)
        rows = list(self._connection.execute(wanted.order_by(_table.c.user_id).limit(limit)))
        in_clear, unreadable, given, current = set[str](), [], [], 0
        for row in rows:
            sealed = row.kept.startswith(SEALED)
            if sealed and self._cipher.is_current(row.kept.removeprefix(SEALED).encode()):
                current += 1
                continue
            try:
                token = self._cipher.open(row.kept)
            except TokenKeyError:
                unreadable.append(row.user_id)
                continue
            given.append({"user_id": row.user_id, "kept": row.kept, "sealed": self._cipher.seal(token)})
            in_clear |= set() if sealed else {row.user_id}
        changed = {row[0] for row in self._connection.exec_driver_sql(_RESEAL, (encode(given),))} if given else set()
        last = rows[-1].user_id if len(rows) == limit else None
        return Resealed(last, len(changed - in_clear), current, len(changed & in_clear), tuple(unreadable))
