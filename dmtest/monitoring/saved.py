"""Monitors as strict JSON, of which nothing is run and everything is validated."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmtest.errors import InputError
from dmtest.monitoring.betting import Bets, Sums
from dmtest.results import serial
from dmtest.results.outcome import Finding
from dmtest.targets.stored import describe_target, resolve_target
from dmtest.targets.targets import Target, TargetLike

if TYPE_CHECKING:
    from dmtest.monitoring.monitor import Monitor

KIND, SCHEMA = "dmtest-monitor", 1


def to_json(monitor: Monitor, path: str | os.PathLike[str] | None = None) -> str:
    """Return a monitor as JSON, and write it if a path is given."""
    fields = {
        "kind": KIND,
        "schema": SCHEMA,
        "target": describe_target(monitor.target, monitor.probe),
        "probe": monitor.probe,
        "d": monitor.d,
        "alpha": monitor.alpha,
        "n": monitor.n,
        "batches": monitor.batches,
        "names": monitor.names,
        "outside": monitor.outside,
        "log_largest": monitor.log_largest,
        "rejected_at": monitor.rejected_at,
        "findings": [finding.to_dict() for finding in monitor.findings],
        "cash": monitor.cash,
        "capital": monitor.capital,
        "gains": monitor.gains,
        "sums": None if monitor.bets is None else monitor.bets.sums.parts(),
    }
    return serial.output(serial.dumps(serial.encode(fields)) + "\n", path)


def from_json(
    kind: type[Monitor], path_or_text: str | os.PathLike[str], target: TargetLike | None
) -> Monitor:
    """Return the monitor of a JSON text that `to_json` wrote."""
    text, name = serial.read(path_or_text)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or data.get("kind") != KIND or data.get("schema") != SCHEMA:
        raise InputError(
            f"path_or_text: {name} holds no monitor of schema {SCHEMA}; pass what Monitor.to_json "
            f"wrote."
        )
    target = _target(data, target, name)
    try:
        monitor = kind(target, data["d"], alpha=data["alpha"])
        _fill(monitor, data)
    except (InputError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"path_or_text: {name} is incomplete or was changed ({error}); pass what "
            f"Monitor.to_json wrote."
        ) from None
    return monitor


def _target(data: Mapping[str, Any], given: TargetLike | None, name: str) -> Target:
    stored = data.get("target")
    if not isinstance(stored, dict) or not isinstance(stored.get("name"), str):
        raise InputError(f"path_or_text: {name} names no target; pass what Monitor.to_json wrote.")
    probe = None if given is None else data.get("probe")
    rows = None if probe is None else np.array(probe, dtype=np.float64)
    return resolve_target(stored, given, rows, f"the monitor {name}", rtol=1e-9, atol=1e-12)


def _fill(monitor: Monitor, data: Mapping[str, Any]) -> None:
    for field in ("n", "batches", "outside"):
        value = data[field]
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{field} is {str(value)[:20]!r}")
        setattr(monitor, field, value)
    monitor.cash = float(serial.number(data["cash"]))
    monitor.log_largest = float(serial.number(data["log_largest"]))
    at = data["rejected_at"]
    monitor.rejected_at = None if at is None else int(at)
    monitor.findings = tuple(Finding(**item) for item in data["findings"])
    names, probe = data["names"], data["probe"]
    if names is not None and (not isinstance(names, list) or len(names) != data["d"]):
        raise ValueError(f"names is {str(names)[:20]!r}")
    monitor.names = None if names is None else tuple(map(str, names))
    if probe is not None:
        monitor.probe = np.array(probe, dtype=np.float64)
        if monitor.probe.ndim != 2 or monitor.probe.shape[1] != data["d"]:
            raise ValueError(f"probe has shape {monitor.probe.shape}")
    if monitor.bets is None:
        return
    fresh = monitor.bets.sums.parts()
    sums = {name: _array(data["sums"][name], like.shape) for name, like in fresh.items()}
    monitor.bets.sums = Sums(**sums)
    if not monitor.batches:
        return
    shapes = {
        g: v.shape for g, v in Bets(monitor.bets.d).place(np.zeros((1, monitor.bets.d))).items()
    }
    monitor.capital = {group: _array(data["capital"][group], s) for group, s in shapes.items()}
    monitor.gains = {group: _array(data["gains"][group], s) for group, s in shapes.items()}


def _array(values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if array.size == 0:
        array = array.reshape(shape)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"an array of shape {array.shape} is not finite or not {shape}")
    return array
