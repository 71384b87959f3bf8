"""The command ``dmtest compare``: two files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dmtest.cli import options, outputs
from dmtest.cli.console import FINE, MISMATCH, hush
from dmtest.cli.inputs import STANDARD_INPUT, readable
from dmtest.cli.options import option
from dmtest.errors import InputError

ReferenceFile = Annotated[
    str,
    typer.Argument(metavar="REFERENCE", help="The file to compare with.", show_default=False),
]

Rotation = Annotated[
    bool,
    option(
        None,
        "Compare up to a rotation or reflection. Only row lengths and the singular values of "
        "blocks of rows are compared, which no rotation changes.",
        "--rotation",
    ),
]

ReferenceKey = Annotated[
    str | None, option("NAME", "Array or column of REFERENCE, if it differs from --key.")
]

Permutations = Annotated[
    int, option("INTEGER", "Permutations. The smallest possible p-value is 1 / (replicates + 1).")
]

Html = Annotated[
    str | None, option("PATH", "Also write the report as one self-contained HTML page.")
]

ReferenceGroups = Annotated[str | None, option("NAME", "The same for REFERENCE.")]

EPILOG = """\b
Exit codes:
  0   no evidence of a difference at this level
  1   mismatch: the samples have different distributions
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest compare new.npy old.npy
  dmtest compare new.npz old.npz --key embeddings --html comparison.html
  dmtest compare ours.npy theirs.npy --rotation
  dmtest compare a.csv b.csv --columns 0:16 --tests energy,classifier
  dmtest compare a.npy b.npy --quiet || echo 'different'
"""


def compare(
    file: options.File,
    reference: ReferenceFile,
    alpha: options.Alpha = 0.05,
    rotation: Rotation = False,
    seed: options.Seed = 0,
    tests: options.Tests = None,
    html: Html = None,
    json: options.Json = None,
    key: options.Key = None,
    reference_key: ReferenceKey = None,
    columns: options.Columns = None,
    delimiter: options.Delimiter = None,
    groups: options.Groups = None,
    reference_groups: ReferenceGroups = None,
    slices: options.Slices = None,
    replicates: Permutations = 999,
    nonfinite: options.Nonfinite = options.OnNonfinite.error,
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
    outputs.check_outputs(file, html, json)
    outputs.check_outputs(reference, html, json)
    from dmtest.reports.compare import compare as compared
    from dmtest.targets.reference import Reference

    hush(quiet)
    if file == reference == STANDARD_INPUT:
        raise InputError("-: standard input can be read once; name a file as REFERENCE")
    names = options.columns_of(columns)
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
    outputs.deliver(outputs.with_command(result, words, given), html, json, quiet, brief, verbose)
    return MISMATCH if result.verdict == "mismatch" else FINE
