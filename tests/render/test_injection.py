"""Names, labels, groups and paths that would be obeyed by a terminal, a browser or a parser."""

from __future__ import annotations

import json
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

import dmtest
from dmtest.cli.main import main
from tests.support.calls import refused

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "\x1b[31mred\x1b[0m\x07",
    "[bold red]x[/] [link=http://x.org]y[/link] :smiley:",
    "{{ 7 * 7 }} {% raw %}",
    "a\nb\r::error title=x::injected",
    "::set-output name=x::y %0A::warning::z",
    "\u202egnp.exe\u2028next\x9b31m",
    "]]> &amp; <!-- <![CDATA[",
    "'; DROP TABLE x; -- $(id) `id` %s%n",
    "../../etc/passwd\x00",
    "| a | b |\n|---|---| [x](javascript:alert(3)) <b>",
    "=cmd|' /C calc'!A0",
)
N = 160


class Tags(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.found.append((tag, dict(attrs)))


def plain(text: str) -> None:
    """Check that a terminal obeys nothing in a text."""
    seen = {
        unicodedata.name(c, hex(ord(c))) for c in text if c not in "\n\u200c\u200d" and hidden(c)
    }
    assert not seen


def hidden(c: str) -> bool:
    return unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def harmless(page: str) -> None:
    """Check that a browser runs and loads nothing because of a name."""
    page.encode()
    for tag, attributes in Tags(page).found:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert tag not in ("img", "iframe", "object", "embed", "base", "link") or not str(
            attributes.get("src", "")
        ).startswith("x"), (tag, attributes)
        address = str(attributes.get("href") or "").strip().lower()
        assert not address.startswith(("javascript:", "data:text")), attributes
        if tag in ("b", "script"):
            assert "alert" not in str(attributes)
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def frame(names: Sequence[str]) -> pd.DataFrame:
    """Rows with hostile names that every surface shows: columns are off, and rows repeat."""
    x = np.random.default_rng(3).standard_normal((N, len(names))) + 3.0
    x[:6] = x[6:12]
    return pd.DataFrame(x, columns=list(names))


def surfaces(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield a kind of text and the text, for everything that shows the names."""
    data, more = frame(names), {"rng": 3, "replicates": 99, "tests": "anderson-darling"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = np.array(names)[np.arange(N) % len(names)]
        report = dmtest.report(data, labels=labels, rows=True, **more)
        compared = dmtest.compare(data, data + 1.0, **more | {"tests": "energy"})
        baseline = dmtest.write_baseline(data, **more)
        check = dmtest.check(data * 2.0, baseline)
        tables = [dmtest.univariate(data, by=labels), dmtest.outliers(data)]
    for warning in caught:
        yield "line", str(warning.message)
    for one in (report, compared):
        yield "text", str(one)
        yield "text", repr(one)
        yield "page", one._repr_html_()
        yield "page", one.to_html()
        yield "json", one.to_json()
    for table in tables:
        yield "text", str(table)
        yield "page", table._repr_html_()
    yield "text", str(check)
    yield "page", check._repr_html_()
    yield "json", check.to_json()
    yield "json", baseline.to_json()
    yield "xml", check.to_junit()
    for line in check.annotations():
        yield "line", line
    for name in names:
        for function, arguments, options in (
            (dmtest.report, (data,), {"columns": [f"{name}!"]}),
            (dmtest.report, (data,), {"labels": f"{name}!"}),
            (dmtest.report, (data,), {"groups": f"{name}!"}),
            (dmtest.load, (f"{name}.npy",), {}),
            (dmtest.load, (f"missing/{name}",), {}),
            (dmtest.report, (data, name), {}),
            (dmtest.run_test, (data, name), {}),
            (dmtest.univariate, (data.assign(**{name: "text"}),), {}),
        ):
            yield "line", refused(None, function, *arguments, **options)


@pytest.mark.parametrize("first", [0, 5, 9])
def test_nothing_in_a_name_is_obeyed(first: int) -> None:
    kinds = set()
    for kind, text in surfaces(HOSTILE[first : first + 5]):
        kinds.add(kind)
        if kind == "page":
            harmless(text)
        elif kind == "json":
            plain(text)
            assert isinstance(json.loads(text), dict)
        elif kind == "xml":
            plain(text)
            assert ET.fromstring(text).tag == "testsuites"
        else:
            plain(text)
            assert kind != "line" or "\n" not in text
    assert kinds == {"line", "text", "page", "json", "xml"}


@pytest.mark.parametrize("name", [HOSTILE[2], HOSTILE[6]])
def test_nothing_in_a_path_is_obeyed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    x = np.random.default_rng(3).standard_normal((N, 2))
    np.save(tmp_path / f"{name}.npy", x)
    (tmp_path / f"{name}.csv").write_text("a,b\n" + "1.5,x\n" * 9)
    frame([name, "b"]).assign(label=[name, "b"] * (N // 2)).to_csv(
        tmp_path / "named.csv", index=False
    )
    for arguments in (
        ["report", f"{name}.npy", "--tests", "anderson-darling"],
        ["report", f"{name}.csv"],
        ["report", "named.csv", "--by", "label", "--tests", "anderson-darling"],
        ["report", f"{name}.parquet"],
        ["report", "--target", name, f"{name}.npy"],
        ["check", f"{name}.npy", "--write-baseline", f"{name}.json"],
        ["check", f"{name}.npy", "--baseline", f"{name}.json"],
        ["check", f"{name}.npy", "--baseline", f"{name}.none"],
    ):
        assert main(arguments) in (0, 1, 2)
        out, err = capsys.readouterr()
        for text in (out, err.replace("\r", "")):
            plain(text)
            for line in text.splitlines():
                if line.lstrip().startswith("::"):  # the package's own, of a failed check
                    assert re.match(r"::(error|warning) title=dmtest%3A ", line), line
