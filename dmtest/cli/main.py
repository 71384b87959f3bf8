"""The commands: arguments in, text and exit codes out."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dmtest.cli import defaults, options, tables, train
from dmtest.cli.console import (
    bounds_table,
    explain,
    hush,
    prepare,
    put,
    rendered,
    say,
    test_card,
    tests_table,
    warn,
)
from dmtest.cli.inputs import SPOKEN, STANDARD_INPUT, readable, spoken
from dmtest.cli.options import OnNonfinite, TargetName
from dmtest.errors import InputError

if TYPE_CHECKING:
    from dmtest.results.check import CheckResult
    from dmtest.results.report import Report
    from dmtest.targets.targets import TargetLike

FINE, MISMATCH, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
COMPLETION = {"--install-completion", "--show-completion"}
MOST_COLUMNS = 1_000_000  # in one range, so that a typing error does not fill the memory

# Commands for which the keys of [tool.dmtest] itself are meant, and what each does not take there.
TESTING: dict[str, tuple[str, ...]] = {
    "report": (),
    "check": (),
    "compare": ("tests",),
    "monitor": (),
}

app = typer.Typer(
    name="dmtest",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=options.START,
)


@app.callback()
def top(version: options.Version = False) -> None:
    """Test whether a sample really follows the distribution it is supposed to.

    Calibrated tests, effect sizes and reports for embeddings and other samples.
    """


@app.command(epilog=options.REPORT)
def report(
    files: options.Files,
    target: options.Target = options.NORMAL,
    low: options.Low = None,
    high: options.High = None,
    draws: options.Draws = None,
    normalise: options.Normalise = False,
    alpha: options.Alpha = 0.05,
    tolerance: options.Tolerance = None,
    noise: options.Noise = None,
    tolerance_rows: options.ToleranceRows = None,
    seed: options.Seed = 0,
    tests: options.Tests = None,
    html: options.Pages = None,
    json: options.Json = None,
    key: options.Key = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    labels: options.Labels = None,
    by: options.By = None,
    groups: options.Groups = None,
    rows: options.RowsFile = None,
    slices: options.Slices = None,
    replicates: options.Replicates = 999,
    nonfinite: options.Nonfinite = OnNonfinite.error,
    memory: options.Memory = None,
    verbose: options.Verbose = False,
    brief: options.Brief = False,
    quiet: options.Quiet = False,
) -> int:
    """Report whether the rows of FILE follow a target distribution.

    Prints the verdict, a diagnosis in plain words, effect sizes with confidence intervals, tests
    with calibrated p-values, and findings about the data. Of several files it prints a table,
    with the reports in the files of --html and --json.

    The null distributions of the default tests come with dmtest, for 20 rows or more and up to
    1,024 columns. Others are simulated, which may take a minute; a later run with the same shape
    and seed finds them on disk.
    """
    from dmtest.cli import several

    many = len(files) > 1
    hush(quiet)
    if many:
        several.check_folder(html)
        if rows is not None:
            raise InputError("--rows: takes one file; give one FILE, or leave the option out.")
    for file in files:
        _check_outputs(file, None if many else html, json, rows=rows)
    law = _target(target, low, high, draws, normalise)
    nats, block = options.tolerances(tolerance, tolerance_rows)
    given: dict[str, Any] = {"target": target, "low": low, "high": high, "draws": draws}
    given |= {"normalise": normalise, "alpha": alpha, "tolerance": nats, "seed": seed}
    given |= {"tests": tests, "key": key, "columns": columns, "delimiter": delimiter}
    given |= {"noise": noise, "tolerance_rows": block}
    given |= {"labels": labels, "by": by, "rows": rows}
    given |= {"groups": groups, "slices": slices, "replicates": replicates, "nonfinite": nonfinite}
    given |= {"memory": memory}

    def one(file: str) -> Report:
        import dmtest

        with readable(file, delimiter) as path:
            result = dmtest.report(
                path,
                law,
                tests=tests,
                alpha=alpha,
                tolerance=nats,
                noise=noise,
                tolerance_rows=block,
                slices=slices,
                replicates=replicates,
                rng=seed,
                progress=False if quiet else None,
                key=key,
                columns=_columns(columns),
                nonfinite=nonfinite.value,
                memory=memory,
                groups=groups,
                labels=labels,
                by=by,
                rows=rows is not None,
                # Without any output the exit code is all that is asked for.
                effects=not quiet or html is not None or json is not None,
            )
        return _with_command(result, ["report", file], given)

    if not many:
        result = one(files[0])
        if result.rows is not None and rows is not None:
            result.rows.to_csv(rows)
        _deliver(result, html, json, quiet, brief, verbose)
        return MISMATCH if result.verdict in ("mismatch", "inconclusive") else FINE
    made = several.reports_of(files, one)
    several.deliver(files, made, html, json, quiet, brief)
    if any(isinstance(result, str) for result in made):
        return BAD_INPUT
    verdicts = {result.verdict for result in made if not isinstance(result, str)}
    return MISMATCH if verdicts & {"mismatch", "inconclusive"} else FINE


@app.command(epilog=options.CHECK)
def check(
    context: typer.Context,
    file: options.File,
    baseline: options.BaselineFile = None,
    write_baseline: options.WriteBaseline = None,
    target: options.SameTarget = None,
    low: options.Low = None,
    high: options.High = None,
    draws: options.Draws = None,
    normalise: options.Normalise = False,
    alpha: options.CheckAlpha = None,
    tolerance: options.Tolerance = None,
    tests: options.Tests = None,
    max_kl: options.MaxKL = None,
    max_smoothed_kl: options.MaxSmoothedKL = None,
    max_wasserstein: options.MaxWasserstein = None,
    max_margin: options.MaxMargin = None,
    max_mean: options.MaxMean = None,
    max_correlation: options.MaxCorrelation = None,
    min_rank: options.MinRank = None,
    min_detectable_n: options.MinDetectable = None,
    fail_on: options.FailOn = options.OnVerdict.worse,
    compare: options.Compare = False,
    rotation: options.CompareRotated = False,
    seed: options.Seed = 0,
    json: options.CheckJson = None,
    junit: options.JUnit = None,
    github: options.GitHub = None,
    key: options.Key = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    groups: options.Groups = None,
    nonfinite: options.Nonfinite = OnNonfinite.error,
    brief: options.Brief = False,
    quiet: options.Quiet = False,
) -> int:
    """Check that an encoder is no worse than its baseline.

    FILE is a fresh sample of embeddings. The check fails if a column, a pair of columns, a
    direction or the whole is further from the target than in the baseline by more than chance, if
    the verdict is worse and the samples differ, if a column is constant or a copy of another, or if
    a limit is exceeded. A fresh sample of the same encoder fails with a probability of at most
    alpha.
    """
    from dmtest.cli.check import CHECKED, WRITTEN, deliver, run, write

    hush(quiet)
    _check_outputs(file, None, json, junit=junit, baseline=write_baseline)
    if baseline is not None and _from_project(context, "target"):
        target = None  # the project's default is for files without a baseline
    boxed = low is not None or high is not None
    law = target or (options.UNIFORM if boxed else options.RANKS if draws else None)
    law = law or (options.SPHERE if normalise else None)
    data: dict[str, Any] = {"key": key, "columns": _columns(columns), "nonfinite": nonfinite.value}
    data |= {"target": None if law is None else _target(law, low, high, draws, normalise)}
    data |= {"rng": seed}
    data |= {"progress": False if quiet else None, "groups": groups}
    limits: dict[str, Any] = {"max_kl": max_kl, "max_smoothed_kl": max_smoothed_kl}
    limits |= {"max_wasserstein": max_wasserstein, "min_rank": min_rank}
    limits |= {"max_margin": max_margin, "max_mean": max_mean, "max_correlation": max_correlation}
    limits |= {"min_detectable_n": min_detectable_n}
    requested: dict[str, Any] = {
        "alpha": alpha,
        "tolerance": options.nats(tolerance),
        "tests": tests,
    }
    requested |= limits | {"compare": compare, "rotation": rotation}
    requested["fail_on"] = None if fail_on is options.OnVerdict.worse else fail_on.value
    apply = CHECKED if write_baseline is None else WRITTEN
    requested = {
        name: value
        for name, value in requested.items()
        if name in apply or not _from_project(context, name)
    }
    with readable(file, delimiter) as path:
        if write_baseline is not None:
            write(path, write_baseline, baseline, requested, data, quiet, spoken(file))
            return FINE
        result = run(path, baseline, requested, data)
    deliver(_spoken(result, file), json, junit, github, quiet, brief)
    return FINE if result.passed else MISMATCH


@app.command(epilog=options.COMPARE)
def compare(
    file: options.File,
    reference: options.ReferenceFile,
    alpha: options.Alpha = 0.05,
    rotation: options.Rotation = False,
    seed: options.Seed = 0,
    tests: options.Tests = None,
    html: options.Html = None,
    json: options.Json = None,
    key: options.Key = None,
    reference_key: options.ReferenceKey = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    groups: options.Groups = None,
    reference_groups: options.ReferenceGroups = None,
    slices: options.Slices = None,
    replicates: options.Permutations = 999,
    nonfinite: options.Nonfinite = OnNonfinite.error,
    memory: options.Memory = None,
    verbose: options.Verbose = False,
    brief: options.Brief = False,
    quiet: options.Quiet = False,
) -> int:
    """Test whether the rows of two files have the same distribution.

    Runs four two-sample tests on the same permutations, and reports how far apart the samples
    are and where: in means, variances, covariances, single columns or directions. The rows have
    to be independent, within and between the files. The numbers of rows may differ.
    """
    _check_outputs(file, html, json)
    _check_outputs(reference, html, json)
    from dmtest.reports.compare import compare as compared
    from dmtest.targets.reference import Reference

    hush(quiet)
    if file == reference == STANDARD_INPUT:
        raise InputError("-: standard input can be read once; name a file as REFERENCE")
    names = _columns(columns)
    with readable(file, delimiter) as path, readable(reference, delimiter) as other:
        result = compared(
            path,
            # A path is read in parts where it is large; a Reference is read at once.
            other
            if reference_key is None
            else Reference(
                other,
                rotation=rotation,
                key=reference_key,
                columns=names,
                nonfinite=nonfinite.value,
                groups=reference_groups,
            ),
            rotation=rotation,
            reference_groups=reference_groups if reference_key is None else None,
            memory=memory,
            tests=tests,
            alpha=alpha,
            slices=slices,
            replicates=replicates,
            rng=seed,
            progress=False if quiet else None,
            key=key,
            columns=names,
            nonfinite=nonfinite.value,
            groups=groups,
        )
    given: dict[str, Any] = {"alpha": alpha, "seed": seed, "tests": tests, "key": key}
    given |= {"reference-key": reference_key, "columns": columns, "slices": slices}
    given |= {"delimiter": delimiter}
    given |= {"groups": groups, "reference-groups": reference_groups}
    given |= {"replicates": replicates, "nonfinite": nonfinite, "memory": memory}
    words = ["compare", file, reference, *(["--rotation"] if rotation else [])]
    _deliver(_with_command(result, words, given), html, json, quiet, brief, verbose)
    return MISMATCH if result.verdict == "mismatch" else FINE


@app.command(epilog=options.BOUNDS)
def bounds(
    file: options.File,
    sigma: options.Sigma = None,
    epsilon: options.Epsilon = None,
    key: options.Key = None,
    augmented: options.Augmented = "augmented",
    confidence: options.Confidence = 0.95,
    batch: options.Batch = None,
    seed: options.Seed = 0,
    json: options.AsJson = False,
) -> int:
    """Compute what positive pairs and a noise level certify.

    Applies Theorems 3.4 and 3.5 of arXiv 2410.06993. FILE holds both arrays by name ('embeddings'
    and 'augmented' by default); an .npz may also hold the noise level, 'sigma' or 'epsilon'. Or
    FILE holds f(X) alone, and --augmented names the file of f(X').
    """
    from dmtest.data.pairs import read_pairs
    from dmtest.information.pairs import pair_bounds

    data, other, stored = read_pairs(file, key, augmented)
    if sigma is None and epsilon is None:
        sigma, epsilon = stored.get("sigma"), stored.get("epsilon")
    pairs = pair_bounds(
        data,
        other,
        sigma=sigma,
        epsilon=epsilon,
        batch=batch,
        confidence=confidence,
        rng=seed,
    )
    if json:
        from dmtest.results.serial import dumps, plain

        put(dumps(plain(pairs.to_dict())) + "\n")
    else:
        put(bounds_table(pairs))
    return MISMATCH if pairs.violations else FINE


@app.command(name="tests", epilog=options.TESTS)
def list_tests(
    name: options.TestName = None, target: options.Listed = None, json: options.AsJson = False
) -> int:
    """List the tests, or describe one.

    The list gives the family of each test, its cost (rows n, columns d, slices k), what it
    detects, its targets and its reference.
    """
    from dmtest.catalogue.registry import as_name
    from dmtest.catalogue.registry import list_tests as registered
    from dmtest.results.shown import Records

    rows = registered(target)
    if name is not None:
        rows = Records(row for row in rows if row.name == as_name(name))
        if not rows:
            raise InputError(f"--target: {name!r} does not test {target!r}; leave the target out")
    if json:
        from dmtest.results.serial import dumps

        put(dumps([row.to_dict() for row in rows]) + "\n")
    else:
        put(tests_table(rows) if name is None else test_card(rows))
    return FINE


@app.command(epilog=options.MONITOR)
def monitor(
    files: options.Batches,
    target: options.SameTarget = None,
    low: options.Low = None,
    high: options.High = None,
    draws: options.Draws = None,
    alpha: options.MonitorAlpha = None,
    state: options.State = None,
    batch: options.BatchRows = None,
    key: options.Key = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    nonfinite: options.Nonfinite = OnNonfinite.error,
    stop: options.Stop = False,
    json: options.Lines = False,
    brief: options.Brief = False,
    quiet: options.Quiet = False,
) -> int:
    """Test a stream, batch by batch.

    The question is whether the rows of all batches so far still follow the target.

    The p-value is valid at any time, however often it is looked at and whenever the stream ends:
    a stream that follows the target is ever rejected with a probability of at most alpha.
    """
    from dmtest.cli.monitor import watch

    hush(quiet)
    _check_outputs(None, None, None, state=state)
    given = any(value is not None for value in (low, high, draws))
    name = target or (options.RANKS if draws else options.UNIFORM if given else None)
    law = None if name is None else _target(name, low, high, draws)
    rejected = watch(
        files,
        law,
        alpha=alpha,
        state=state,
        batch=batch,
        key=key,
        columns=_columns(columns),
        delimiter=delimiter,
        nonfinite=nonfinite.value,
        stop=stop,
        show="none" if quiet else "json" if json else "brief" if brief else "text",
    )
    return MISMATCH if rejected else FINE


@app.command(epilog=options.DEMO)
def demo(html: options.DemoPage = "dmtest-demo.html") -> int:
    """Report on real data that come with dmtest.

    The data are embeddings of 500 handwritten digits by an encoder that 'dmtest train' trained to
    make them N(0, I). The report says how close they are, and what is still wrong. It is printed,
    and written as an HTML page.
    """
    _check_outputs(None, html, None)
    from dmtest.cli.demo import INTRODUCTION, digits_report

    put(f"{INTRODUCTION}\n\n")
    _deliver(digits_report(), html, None)
    return FINE


app.command(epilog=tables.UNIVARIATE)(tables.univariate)
app.command(epilog=tables.OUTLIERS)(tables.outliers)
app.command(name="train", epilog=train.EPILOG)(train.train)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        0: fine; 1: mismatch; 2: bad usage or input, which one line on standard error
        explains; 130: interrupted.
    """
    prepare()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = warn
            arguments = list(sys.argv[1:] if argv is None else argv)
            if not arguments:
                app(["--help"], prog_name="dmtest", standalone_mode=False)
                return BAD_INPUT  # a gate that lost its arguments is no pass
            more = {"default_map": _project_defaults(arguments)}
            code = app(arguments, prog_name="dmtest", standalone_mode=False, **more)
            if code and COMPLETION.intersection(arguments):
                code = BAD_INPUT  # a shell that Typer cannot complete for, which Typer has reported
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit:  # how Rich exits when the reader of a page of help has closed the pipe
        code = FINE
    except Exception as error:
        # Python ends a traceback with exit code 1, which a gate would read as a mismatch.
        say(f"error: {explain(error)}")
        if os.environ.get("DMTEST_TRACEBACK"):
            raise
        return BAD_INPUT
    if code == INTERRUPTED:
        say("interrupted")
    return code if isinstance(code, int) else FINE


def _check_outputs(
    file: str | None,
    html: str | None,
    json: str | None,
    junit: str | None = None,
    baseline: str | None = None,
    state: str | None = None,
    rows: str | None = None,
) -> None:
    """Refuse outputs that cannot be written, before anything is computed."""
    json = None if json == "-" else json
    outputs = {"--html": html, "--json": json, "--junit": junit, "--write-baseline": baseline}
    outputs |= {"--state": state, "--rows": rows}
    for option, path in outputs.items():
        if path is None:
            continue
        place = Path(path)
        if not path or place.is_dir():
            raise InputError(f"{option}: {path!r} is not the name of a file; give one")
        if not place.parent.is_dir():
            raise InputError(f"{option}: there is no folder {str(place.parent)!r}; create it first")
        if not os.access(place if place.exists() else place.parent, os.W_OK):
            raise InputError(f"{option}: {path!r} cannot be written; choose a writable place")
        if file and place.exists() and os.path.exists(file) and place.samefile(file):
            raise InputError(f"{option}: {path!r} is the input; choose another file")


def _project_defaults(arguments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the defaults that the project's file sets, by command and parameter."""
    if {"-h", "--help", "--version"}.intersection(arguments):
        return {}
    path = defaults.project_file()
    if path is None:
        return {}
    table = defaults.read(path)
    if not table:
        return {}
    group: Any = typer.main.get_command(app)
    commands = {
        name: {
            option.removeprefix("--"): str(parameter.name)
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--")
        }
        for name, command in group.commands.items()
    }
    return defaults.defaults(path, table, commands, TESTING)


def _from_project(context: typer.Context, name: str) -> bool:
    """Whether the value of a parameter is a default of the project's file."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT_MAP"


def _target(
    name: TargetName,
    low: float | None,
    high: float | None,
    draws: int | None,
    normalise: bool = False,
) -> TargetLike:
    if normalise and name is not options.SPHERE:
        raise InputError(f"--normalise is for --target sphere; got --target {name}")
    if (draws is None) == (name is options.RANKS):
        raise InputError(
            f"--draws is for --target ranks, which needs it; got --target {name}"
            + ("" if draws is None else f" --draws {draws}")
        )
    if draws is not None and low is None and high is None:
        from dmtest.targets.ranks import Ranks

        return Ranks(draws)
    if low is None and high is None:
        if normalise:
            from dmtest.targets.targets import Sphere

            return Sphere(normalise=True)
        return name.value
    if name is not options.UNIFORM:
        raise InputError(f"--low and --high are for --target uniform; got --target {name}")
    from dmtest.targets.targets import Uniform

    return Uniform(0.0 if low is None else low, 1.0 if high is None else high)


def _columns(text: str | None) -> list[str | int] | None:
    """Parse names and positions; a:b means the positions from a to b - 1."""
    if text is None:
        return None
    columns: list[str | int] = []
    for part in text.split(","):
        if span := re.fullmatch(r"(\d+):(\d+)", part.strip()):
            first, stop = int(span[1]), int(span[2])
            if stop - first > MOST_COLUMNS:
                raise InputError(f"--columns: {part.strip()} are too many; name fewer")
            columns += range(first, stop)
        else:
            columns.append(int(part) if re.fullmatch(r"\s*-?\d+\s*", part) else part.strip())
    return columns


def _with_command(result: Report, start: list[str], options: dict[str, Any]) -> Report:
    """Add the command that repeats the report to it."""
    import shlex
    from dataclasses import replace

    from dmtest.data.readers.remote import is_url, public_url

    words = ["dmtest", *start]
    for name, value in options.items():
        if value is not None and value is not False:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    # Passwords and signatures of URLs are used for this run only.
    words = [public_url(word) if is_url(word) else word for word in words]
    facts = replace(result.provenance, command=shlex.join(words))
    if STANDARD_INPUT in start:
        facts = replace(facts, source=SPOKEN if start[1] == STANDARD_INPUT else facts.source)
        facts = replace(facts, command=None)  # what was piped in cannot be named
    return replace(result, provenance=facts)


def _spoken(result: CheckResult, file: str) -> CheckResult:
    """Name standard input in a check as a reader would."""
    from dataclasses import replace

    if file != STANDARD_INPUT:
        return result
    facts = replace(result.report.provenance, source=SPOKEN)
    return replace(result, report=replace(result.report, provenance=facts))


def _deliver(
    result: Report,
    html: str | None,
    json: str | None,
    quiet: bool = False,
    brief: bool = False,
    verbose: bool = False,
) -> None:
    """Print the report, then write the files: a full disk cannot lose what is printed."""
    if json == "-":
        put(result.to_json())
    elif brief and not quiet:
        from dmtest.render.text.several import line

        put(line(result.provenance.source or "data", result) + "\n")
    elif not quiet:
        from dmtest.render.text.terminal import Whole

        put(rendered(Whole(result) if verbose else result))
    notes = []
    if json not in (None, "-"):
        result.to_json(json)
        notes.append(f"JSON written to {json}")
    if html is not None:
        result.to_html(html)
        notes.append(f"HTML page written to {html}")
    if notes and not (quiet or brief or json == "-"):
        put("\n" + "\n".join(notes) + "\n")
