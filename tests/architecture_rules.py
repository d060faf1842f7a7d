"""Who may import what, read from the sources; nothing is imported to find out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("actors", "console", "migrations", "persistence", "settings")
MODULES = ("supervisor",)

_VOCABULARY = ("actors.messages", "actors.rows", "actors.errors")
_SHARED = (
    *_VOCABULARY,
    "actors.runtime",
    "actors.dead_letter",
    "actors.instruments",
    "actors.masking",
    "actors.redaction",
    "actors.sessions",
    "actors.status",
    "actors.tenure",
)

OURS: dict[str, tuple[str, ...]] = {
    "settings": (),
    "actors.rows": (),
    "actors.messages": ("actors.rows",),
    "actors.errors": (),
    "actors.runtime": ("actors.messages", "actors.errors", "actors.masking"),
    "actors.testkit": ("actors.runtime", "actors.messages", "actors.errors"),
    "actors.dead_letter": (*_VOCABULARY, "actors.masking", "actors.redaction"),
    "actors.instruments": (),
    "actors.catalogue": (*_SHARED, "persistence"),
    "actors.redaction": (),
    "actors.masking": ("actors.redaction",),
    "actors.dlq": _SHARED,
    "actors.session_keys": (*_SHARED, "persistence"),
    "actors.sessions": _VOCABULARY,
    "actors.status": ("actors.runtime",),
    "actors.tenure": (),
    "actors.inspection": ("actors.runtime", "actors.status"),
    "actors.thread_dump": ("actors.runtime",),
    "actors.diagnosis": ("actors.errors", "actors.masking", "actors.runtime"),
    "actors.host_checks": ("actors.diagnosis",),
    "actors.database_checks": ("actors.diagnosis", "persistence.errors"),
    "actors.checks": ("actors.database_checks", "actors.diagnosis", "actors.host_checks", "actors.runtime"),
    "actors.reload": ("actors.runtime",),
    "actors.process": (
        *_SHARED,
        "actors.gateway.embedded",
        "actors.reload",
        "actors.status_line",
        "actors.thread_dump",
        "persistence",
    ),
    "actors.status_line": (),
    "actors.auth": (*_SHARED, "persistence"),
    "actors.database": (*_SHARED, "persistence"),
    "actors.health": (*_SHARED, "actors.diagnosis"),
    "actors.peers": (),
    "actors.audit": ("actors.masking", "actors.runtime", "actors.peers"),
    "actors.drain": _SHARED,
    "actors.http_thread": (),
    "actors.control": (*_SHARED, "actors.audit", "actors.http_thread", "actors.peers"),
    "actors.metrics": (*_SHARED, "actors.http_thread"),
    "actors.brokers": (*_SHARED, "actors.trading"),
    "actors.trading": (*_SHARED, "actors.brokers"),
    "actors.gateway": _SHARED,
    "actors.gateway.embedded": (*_SHARED, "actors.gateway", "persistence.server_process"),
    "persistence": (),
    "migrations": ("persistence",),
    "supervisor": ("actors", "persistence"),
    "console": (
        "supervisor",
        "persistence",
        *_VOCABULARY,
        "actors.brokers.registry",
        "actors.database_checks",
        "actors.diagnosis",
        "actors.host_checks",
        "actors.runtime.clock",
        "actors.runtime.log",
        "actors.gateway.embedded",
        "actors.gateway.examination",
        "actors.gateway.injection",
        "actors.gateway.loading",
        "actors.gateway.roll_call",
        "actors.gateway.subjects",
        "actors.trading.records",
    ),
}
"""What each part may import of ours besides itself and `settings`; the longest name that fits decides."""

TESTS_ONLY = ("actors.testkit",)
"""For whoever tests; the product does not use it."""

THEIRS: dict[str, tuple[str, ...]] = {
    "nats": ("actors.gateway",),
    "sqlalchemy": ("persistence", "migrations"),
    "psycopg2": ("persistence", "migrations"),
    "alembic": ("persistence", "migrations"),
    "pykka": ("actors.runtime", "supervisor"),
    "pytest": (),
}
"""Who may import each of these."""

ENVIRONMENT_READERS = (
    "settings.credentials",
    "settings.loading",
    "settings.places",
    "settings.sections",
    "actors.runtime.log",
    "actors.runtime.systemd",
    "persistence.server_process",
)
"""The settings, what the service manager passes, and the making of a child's environment."""


def project_sources() -> Iterator[tuple[str, Path]]:
    """Every module of the project by its name."""
    for name in MODULES:
        yield name, ROOT / f"{name}.py"
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def violations(module: str, source: str) -> list[str]:
    """One line for each wrong import of the module."""
    return [problem for name in sorted(set(imports(source))) if (problem := _problem(module, name))]


def imports(source: str) -> Iterator[str]:
    """Dotted names of what a module imports, anywhere in it but in its `__main__` block."""
    tree = ast.parse(source)
    for node in _reached(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            yield from (one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str))


def _reached(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "__name__ == '__main__'":
            continue
        yield child
        yield from _reached(child)


def _problem(module: str, name: str) -> str | None:
    top = name.split(".", maxsplit=1)[0]
    if not top:
        return f"{module} imports {name}: relative"
    if top in THEIRS and not _within(module, THEIRS[top]):
        return f"{module} imports {name}: only {' and '.join(THEIRS[top]) or 'tests'} may"
    if top not in {*PACKAGES, *MODULES}:
        return None
    if _within(name, TESTS_ONLY) and not _within(module, TESTS_ONLY):
        return f"{module} imports {name}: only tests may"
    part = max((part for part in OURS if _within(module, (part,))), key=len, default=None)
    if part is None:
        return f"{module} has no rule: name its place in the architecture"
    if _within(name, (part, *OURS[part], "settings")):
        return None
    return f"{module} imports {name}: the wrong way"


def _within(name: str, parts: tuple[str, ...]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def logic_in(source: str) -> list[str]:
    """Statements of a package's `__init__` that are neither its docstring nor the listing of names."""
    wrong = []
    for number, statement in enumerate(ast.parse(source).body):
        docstring = number == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        listing = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
        if not (docstring or listing or isinstance(statement, ast.Import | ast.ImportFrom)):
            wrong.append(f"line {statement.lineno}: {ast.unparse(statement).splitlines()[0]}")
    return wrong


def sleeps_in(source: str) -> list[str]:
    """Calls and imports of any `sleep`."""
    wrong = []
    for node in ast.walk(ast.parse(source)):
        imported = isinstance(node, ast.ImportFrom) and any(alias.name == "sleep" for alias in node.names)
        if imported or (isinstance(node, ast.Call) and _called(node) == "sleep"):
            wrong.append(f"line {node.lineno}: {ast.unparse(node)}")  # type: ignore[attr-defined]
    return wrong


def environment_reads_in(source: str) -> list[str]:
    """Uses of `os.environ` and `os.getenv`."""
    names = {"environ", "environb", "getenv", "getenvb"}
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {one.name for one in node.names})
    ]
