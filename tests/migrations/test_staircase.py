from __future__ import annotations

import gc
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, Table, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from persistence import models
from persistence.errors import Misconfigured, NotMigrated, Unavailable
from persistence.migration import configuration, current, differences, heads, upgrade
from persistence.migration_lock import migration_lock
from persistence.urls import normalise_url
from tests.persistence.databases import connected

ROOT = Path(__file__).parents[2]
SCRIPTS = ScriptDirectory.from_config(configuration())
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]
TEMPLATE = (ROOT / "migrations" / "script.py.mako").read_text().splitlines()
CATALOGUE = """
    SELECT format('%s.%s %s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT format('%s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    ORDER BY 1
"""


def catalogue(url: str) -> list[str]:
    with connected(url) as connection:
        return list(connection.execute(text(CATALOGUE)).scalars())


def engine_for(url: str) -> Engine:
    return create_engine(normalise_url(url), poolclass=NullPool)


def alembic(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "alembic", "-c", str(ROOT / "alembic.ini"), *arguments]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    return subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=180, check=False)


def test_there_is_one_head_and_the_revisions_are_numbered() -> None:
    expected = [f"{number:04d}" for number in range(1, len(REVISIONS) + 1)]

    assert SCRIPTS.get_heads() == expected[-1:]
    assert expected == REVISIONS


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_revision_says_why_what_it_locks_and_the_way_back(revision: str) -> None:
    text_of = SCRIPTS.get_revision(revision).module.__doc__ or ""

    assert [word for word in ("Reason:", "Lock:", "Way back:") if word not in text_of] == []
    assert [line for line in TEMPLATE if line.startswith(("Reason:", "Lock:", "Way back:")) and line in text_of] == []


def test_each_step_up_is_undone_by_its_step_down(empty_url: str) -> None:
    config = configuration(empty_url)
    seen = {}
    for revision in REVISIONS:
        command.upgrade(config, revision)
        seen[revision] = catalogue(empty_url)
    for revision in reversed(REVISIONS):
        assert catalogue(empty_url) == seen[revision]
        command.downgrade(config, "-1")
    with connected(empty_url) as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]


def test_the_way_up_again_leads_to_the_same_place(empty_url: str) -> None:
    upgrade(empty_url)
    first = catalogue(empty_url)
    command.downgrade(configuration(empty_url), "base")
    upgrade(empty_url)

    assert catalogue(empty_url) == first


def test_head_equals_the_models(empty_url: str) -> None:
    upgrade(empty_url)

    assert differences(engine_for(empty_url)) == []
    assert current(engine_for(empty_url)) == heads()


def test_head_has_the_names_and_types_that_create_all_would_give(empty_url: str, postgres_url: str) -> None:
    upgrade(empty_url)
    migrated = [line for line in catalogue(empty_url) if "alembic_version" not in line]
    with connected(empty_url) as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    models.metadata.create_all(engine_for(empty_url))

    assert catalogue(empty_url) == migrated


def test_differences_are_told_in_lines(empty_url: str) -> None:
    upgrade(empty_url)
    with connected(empty_url) as connection:
        for statement in (
            "ALTER TABLE portfolio_snapshots ALTER COLUMN cash TYPE double precision",
            "DROP INDEX idx_trading_events_correlation",
            "ALTER TABLE users ADD COLUMN extra text",
            "ALTER TABLE instrument_registry DROP CONSTRAINT instrument_registry_instrument_token_fkey",
            "CREATE TABLE _dup_something (id text)",
            "CREATE TABLE something (id text)",
        ):
            connection.execute(text(statement))

    lines = sorted(differences(engine_for(empty_url)))

    assert [line for line in lines if "portfolio_snapshots.cash" in line and "modify type" in line]
    assert "add index idx_trading_events_correlation on trading_events" in lines
    assert "add fk instrument_registry_instrument_token_fkey on instrument_registry" in lines
    assert "remove column users.extra" in lines
    assert "remove table something" in lines
    assert len(lines) == 5


def test_four_upgrades_at_once_do_the_work_once(empty_url: str) -> None:
    program = "import sys; from persistence.migration import upgrade; upgrade(sys.argv[1])"
    argv = [sys.executable, "-c", program, empty_url]
    started = [subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ends = [(process.communicate(timeout=180)[1], process.returncode) for process in started]

    assert ends == [("", 0)] * 4
    assert current(engine_for(empty_url)) == heads()


def test_the_lock_is_waited_for_no_longer_than_told(empty_url: str) -> None:
    engine = engine_for(empty_url)
    with (
        migration_lock(engine),
        pytest.raises(Unavailable, match="another migration"),
        migration_lock(engine, wait_s=0.1),
    ):
        pass
    with migration_lock(engine, wait_s=0.1):
        pass


def test_a_connection_of_the_caller_is_used(empty_url: str) -> None:
    config = configuration()
    engine = engine_for(empty_url)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    assert current(engine) == heads()


@pytest.mark.parametrize("revision", [None, "cc6a84f0b6f1"])
def test_a_database_of_alpha_panda_is_refused_with_the_way_out(empty_url: str, revision: str | None) -> None:
    upgrade(empty_url)
    with connected(empty_url) as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        if revision:
            connection.execute(text("INSERT INTO alembic_version VALUES (:it)"), {"it": revision})

    with pytest.raises(NotMigrated, match="db adopt"):
        upgrade(empty_url)


def test_a_newer_database_is_refused(empty_url: str) -> None:
    upgrade(empty_url)
    with connected(empty_url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(NotMigrated, match="9999"):
        upgrade(empty_url)


def test_an_upgrade_of_a_missing_database_is_one_clear_line(postgres_url: str) -> None:
    url = normalise_url(postgres_url).set(database="nowhere").render_as_string(hide_password=False)

    with pytest.raises(Misconfigured, match='"nowhere" does not exist'):
        upgrade(url)


def test_alembic_itself_upgrades_and_checks_from_any_directory(empty_url: str, tmp_path: Path) -> None:
    up = alembic("-x", f"url={empty_url}", "upgrade", "head", cwd=tmp_path)
    check = alembic("-x", f"url={empty_url}", "check", cwd=tmp_path)

    assert up.returncode == 0, up.stderr
    assert (check.returncode, check.stdout.strip()) == (0, "No new upgrade operations detected.")


def test_alembic_without_a_url_says_what_to_set(tmp_path: Path) -> None:
    ended = alembic("upgrade", "head", cwd=tmp_path)

    assert ended.returncode != 0
    assert "DATABASE__POSTGRES_URL" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_alembic_with_a_wrong_password_says_so_in_one_line(empty_url: str, tmp_path: Path) -> None:
    wrong = normalise_url(empty_url).set(username="nobody_here", password="hunter2")
    ended = alembic("-x", f"url={wrong.render_as_string(hide_password=False)}", "upgrade", "head", cwd=tmp_path)
    said = ended.stdout + ended.stderr

    assert re.search("refuses the connection", said)
    assert "Traceback" not in said
    assert "hunter2" not in said


def test_to_ask_for_the_revision_again_and_again_leaves_nothing_behind(empty_url: str) -> None:
    upgrade(empty_url)
    engine = create_engine(normalise_url(empty_url))
    try:
        current(engine)
        before = tables_held()
        for _ in range(5):
            current(engine)

        assert tables_held() == before
    finally:
        engine.dispose()


def tables_held() -> int:
    """Tables of SQLAlchemy that somebody still refers to."""
    gc.collect()
    return sum(type(one) is Table for one in gc.get_objects())
