"""The manual page, made of the commands themselves: `python -m console.manual > deploy/alpha-panda.1`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import typer
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from console.app import PROGRAM, app
from settings import Settings

EXIT_CODES = {
    0: "Done; for status: ready.",
    1: "Failed; for status: degraded.",
    2: "For status: down or unhealthy.",
    3: "For status: unknown.",
    64: "The command line is wrong.",
    69: "A server that is needed is not available.",
    70: "Too many restarts, or too many threads that hang.",
    75: "Not now; try again.",
    78: "A setting is wrong, or the schema is not at head.",
}
FILES = {
    "STATE_DIR": "Data of the embedded servers, the last known state, the lock.",
    "RUNTIME_DIR/alpha-panda.sock": "The operator socket: root, the daemon's user and the socket's group may use it.",
    ".env": "Settings, in the working directory; --env-file names another.",
}

TYPERS_OWN = frozenset({"install_completion", "show_completion"})
COMPLETION = (
    "alpha-panda --install-completion has bash, zsh or fish complete commands, options and, while a daemon runs, the "
    "names of its actors. In a checkout add to ~/.bashrc, after it: complete -o default -F _alpha_panda_completion "
    "./panda"
)


def page() -> str:
    """The whole page in roff."""
    root: Any = typer.main.get_command(app)
    return "\n".join(
        [
            f'.TH {PROGRAM.upper()} 1 "" "Alpha Panda" "User Commands"',
            ".SH NAME",
            f"{_text(PROGRAM)} \\- {_text('a supervised trading daemon over PostgreSQL and NATS JetStream')}",
            ".SH SYNOPSIS",
            f".B {_text(PROGRAM)}",
            "[\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]",
            ".SH OPTIONS",
            *_parameters(root),
            ".SH COMMANDS",
            *(line for name, command in _commands(root, ()) for line in _command(name, command)),
            ".SH COMPLETION",
            _text(COMPLETION),
            ".SH EXIT STATUS",
            *(line for code, text in EXIT_CODES.items() for line in (".TP", f".B {code}", _text(text))),
            ".SH ENVIRONMENT",
            "Every setting is an environment variable, or a line of the env file.",
            *_settings(),
            ".SH FILES",
            *(line for path, text in FILES.items() for line in (".TP", f".I {_text(path)}", _text(text))),
            "",
        ]
    )


def _commands(group: Any, above: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        path = (*above, name)
        if hasattr(command, "commands"):
            yield from _commands(command, path)
        else:
            yield " ".join(path), command


def _command(name: str, command: Any) -> Iterator[str]:
    words = [_argument(one) for one in command.params if one.param_type_name == "argument"]
    yield ".SS " + " ".join([f"\\fB{_text(name)}\\fR", *words])
    yield _text(" ".join((command.help or "").split()))
    yield from _parameters(command)


def _argument(parameter: Any) -> str:
    word = f"\\fI{_text((parameter.metavar or parameter.name).upper())}\\fR"
    return word if parameter.required else f"[{word}]"


def _parameters(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if parameter.hidden or parameter.name in TYPERS_OWN:
            continue
        yield ".TP"
        yield _argument(parameter) if parameter.param_type_name == "argument" else _option(parameter)
        yield _text(parameter.help or "")


def _option(parameter: Any) -> str:
    names = ", ".join(f"\\fB{_text(name)}\\fR" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.is_flag:
        return names
    value = (parameter.metavar or parameter.opts[-1].strip("-")).upper()
    told = parameter.show_default and parameter.default is not None
    return f"{names} \\fI{_text(value)}\\fR" + (f" (default {_text(str(parameter.default))})" if told else "")


def _settings() -> Iterator[str]:
    """Those of no section first, then each section with what it says of itself."""
    sections = {name: inner for name, inner in _annotations(Settings) if _is_section(inner)}
    yield ", ".join(_named(Settings, "", frozenset(sections)))
    for name, inner in sections.items():
        yield f".SS {_text(name.upper())}"
        yield _text(" ".join((inner.__doc__ or "").split()))
        yield ".PP"
        yield ", ".join(_named(inner, f"{name.upper()}__", frozenset()))


def _named(section: type[BaseModel], prefix: str, left_out: frozenset[str]) -> Iterator[str]:
    for name, inner in _annotations(section):
        values = [one for one in get_args(inner) if _is_section(one)]
        if values and get_origin(inner) is dict:
            yield from _named(values[0], f"{prefix}{name.upper()}__BROKER__", frozenset())
        elif name not in left_out:
            yield f"\\fB{_text(prefix + name.upper())}\\fR{_default(section.model_fields[name])}"


def _annotations(section: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    return ((name, field.annotation) for name, field in section.model_fields.items())


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.default_factory is not None or value is None or isinstance(value, SecretStr):
        return ""
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return f" ({_text(text)})"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    sys.stdout.write(page())
