"""Defaults of options from the table ``[tool.dmtest]`` of the nearest pyproject.toml."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmtest.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import typer

# Paths of outputs and what belongs to one run have no place in a project's file.
ONE_RUN = frozenset(
    {"help", "version", "json", "html", "junit", "quiet", "brief", "write-baseline"}
)
SWITCH = "DMTEST_CONFIG"


def project_file(start: Path | None = None) -> Path | None:
    """Return the nearest pyproject.toml, from a folder upwards; None with DMTEST_CONFIG=off."""
    named = os.environ.get(SWITCH, "")
    if named.lower() == "off":
        return None
    if named:
        if not Path(named).is_file():
            raise InputError(f"{SWITCH}: there is no file {named!r}; name a TOML file, or 'off'")
        return Path(named)
    folder = Path.cwd() if start is None else start
    found = (place / "pyproject.toml" for place in (folder, *folder.parents))
    return next((path for path in found if path.is_file()), None)


def read(path: Path) -> Mapping[str, Any]:
    """Return the table ``[tool.dmtest]`` of a file; empty if it has none."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as TOML ({error}); mend it, or set {SWITCH}=off"
        ) from None
    tool = data.get("tool", {})
    table = tool.get("dmtest", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise InputError(f"{path}: tool.dmtest is no table; write [tool.dmtest] above its lines")
    return table


def defaults(
    path: Path,
    table: Mapping[str, Any],
    commands: Mapping[str, Mapping[str, str]],
    testing: Mapping[str, tuple[str, ...]],
) -> dict[str, dict[str, Any]]:
    """Return the defaults of every command, by the name of its parameter.

    Keys of ``[tool.dmtest]`` itself are for the commands in `testing`, those of
    ``[tool.dmtest.train]`` for ``dmtest train``.

    Parameters
    ----------
    path : Path
        The file, for messages.
    table : mapping
        What `read` returns of it.
    commands : mapping
        Of the name of a command to a mapping of its options (without dashes) to parameters.
    testing : mapping
        Of the name of a command to the options that it does not take from the common keys.

    Raises
    ------
    InputError
        If the table has a name that no command has, or a value that no option takes.
    """
    made: dict[str, dict[str, Any]] = {name: {} for name in commands}
    every = {option for name in testing for option in commands[name]} - ONE_RUN
    for key, value in table.items():
        if key in commands and isinstance(value, dict):
            for option, one in value.items():
                known = set(commands[key]) - ONE_RUN
                name = _known(option, known, f"{path}: [tool.dmtest.{key}]")
                made[key][commands[key][name]] = _plain(one, f"{path}: tool.dmtest.{key}.{option}")
            continue
        name = _known(key, every, f"{path}: [tool.dmtest]", commands)
        for command, left_out in testing.items():
            if name in commands[command] and name not in left_out:
                said = f"{path}: tool.dmtest.{key}"
                made[command].setdefault(commands[command][name], _plain(value, said))
    return made


def _known(key: str, known: set[str], where: str, commands: Mapping[str, Any] | None = None) -> str:
    name = key.replace("_", "-")
    if name in known:
        return name
    if name in ONE_RUN:
        raise InputError(f"{where} sets {key!r}, which belongs to one run; give --{name} there")
    near = did_you_mean(name, [*known, *(commands or {})])
    raise InputError(f"{where} has no option {key!r}; {near or f'choose from {sorted(known)}'}")


def _plain(value: Any, where: str) -> Any:
    """Return a value as the command line would have it; a list is joined by commas."""
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return ",".join(str(one) for one in value)
    if isinstance(value, str | bool | int | float):
        return value
    raise InputError(f"{where}: got {type(value).__name__}; give text, a number, true or false")


def from_project(context: typer.Context, name: str) -> bool:
    """Whether the value of a parameter is a default of the project's file."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT_MAP"
