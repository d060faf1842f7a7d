"""The statements that change the sessions of a whole batch, which travels as JSON.

What a stream has brought goes by time. What somebody asks for directly happens now: it is dated after what is stored,
also where a clock says otherwise.
"""

# ruff: noqa: S608 - what is put into these statements is a constant of this file

from __future__ import annotations

DATA = "CASE jsonb_typeof(stored.session_data) WHEN 'object' THEN stored.session_data ELSE '{}' END"
"""In a database that was brought along it may be the JSON null, or anything else."""
INVALIDATE = f"""
    UPDATE trading_sessions AS stored
    SET is_active = false,
        updated_at = GREATEST(x.updated_at, CASE WHEN x.direct THEN stored.updated_at + interval '1 microsecond' END),
        session_data = {DATA} - 'access_token'
            || jsonb_build_object('invalidation_reason', x.reason)
    FROM (SELECT DISTINCT ON (user_id) *
          FROM jsonb_to_recordset(CAST(%s AS jsonb))
               AS given (user_id text, updated_at timestamptz, reason text, direct boolean)
          ORDER BY user_id, direct DESC NULLS LAST, updated_at DESC) AS x
    WHERE stored.user_id = x.user_id AND (x.direct OR COALESCE(stored.updated_at, '-infinity') <= x.updated_at)
"""
_TYPED = """session_id text, user_id text, start_time timestamptz, end_time timestamptz, is_active boolean,
                 session_data jsonb, updated_at timestamptz"""
_COLUMNS = "session_id, user_id, start_time, end_time, is_active, session_data, updated_at"
_STORE = f"""INSERT INTO trading_sessions ({_COLUMNS}) SELECT {_COLUMNS} FROM {{}}
        ON CONFLICT (user_id) DO UPDATE SET
            end_time = excluded.end_time, is_active = excluded.is_active, session_data = excluded.session_data,
            updated_at ="""
_BY_TIME = """excluded.updated_at
        WHERE COALESCE(trading_sessions.updated_at, '-infinity') <= excluded.updated_at"""
_DIRECTLY = "GREATEST(excluded.updated_at, trading_sessions.updated_at + interval '1 microsecond')"
_ROWS = f"jsonb_to_recordset(CAST(%s AS jsonb)) AS one ({_TYPED}) ORDER BY user_id"
UPSERT = f"{_STORE.format(_ROWS)} {_BY_TIME}"
UPSERT_DIRECTLY = f"{_STORE.format(_ROWS)} {_DIRECTLY}"


def _save(newest_first: str, dated: str) -> str:
    return f"""
    WITH given AS (
        SELECT DISTINCT ON (consumer, message_id) * FROM jsonb_to_recordset(CAST(%s AS jsonb)) AS
            one (place int, consumer text, message_id text, stream_seq bigint, {_TYPED})
        ORDER BY consumer, message_id, place
    ), noted AS (
        INSERT INTO inbox (consumer, message_id, stream_seq) SELECT consumer, message_id, stream_seq FROM given
        ON CONFLICT DO NOTHING RETURNING consumer, message_id
    ), newest AS (
        SELECT DISTINCT ON (user_id) * FROM given
        WHERE (consumer, message_id) IN (SELECT consumer, message_id FROM noted)
        ORDER BY user_id, {newest_first}
    ), saved AS (
        {_STORE.format("newest")} {dated}
        RETURNING user_id, session_id, start_time, updated_at
    )
    SELECT place, saved.session_id, saved.start_time, saved.updated_at FROM saved JOIN newest USING (user_id)
    """


# `IN` and no join: the planner takes a join of two keys for one row, and the last join then for a nested loop's, which
# took half of the time that 500 logins need.
SAVE = _save("updated_at DESC, place DESC", _BY_TIME)
SAVE_DIRECTLY = _save("place DESC", _DIRECTLY)
