"""The command ``dmtest bounds``: what positive pairs certify."""

from __future__ import annotations

from typing import Annotated

from dmtest.cli import options, outputs
from dmtest.cli.console import FINE, MISMATCH, put, rendered
from dmtest.cli.options import option

Sigma = Annotated[
    float | None,
    option("NUMBER", "Standard deviation of the normal noise (default: stored in FILE)."),
]

Epsilon = Annotated[
    float | None, option("NUMBER", "Half-width of the uniform noise (default: stored in FILE).")
]

Augmented = Annotated[
    str,
    option("NAME", "Array of FILE, or another file, that holds f(X') row by row."),
]

Confidence = Annotated[float, option("LEVEL", "Confidence of every bound.")]

Batch = Annotated[
    int | None, option("INTEGER", "Rows of a batch (default: an eighth of all, at most 2048).")
]

BoundsHtml = Annotated[
    str | None, option("PATH", "Also write the bounds as one self-contained HTML page.")
]

EPILOG = """\b
Exit codes:
  0   the bounds were computed
  1   the numbers break an inequality of the theory
  2   bad usage or input: one line on standard error says what to do

\b
Examples:
  dmtest bounds run/embeddings.npz
  dmtest bounds run/embeddings.npz --html bounds.html
  dmtest bounds z.npz --key f --augmented g --sigma 0.3
  dmtest bounds f.npy --augmented g.npy --epsilon 0.1 --json
"""


def bounds(
    file: options.File,
    sigma: Sigma = None,
    epsilon: Epsilon = None,
    key: options.Key = None,
    augmented: Augmented = "augmented",
    confidence: Confidence = 0.95,
    batch: Batch = None,
    seed: options.Seed = 0,
    memory: options.Memory = None,
    html: BoundsHtml = None,
    json: options.AsJson = False,
) -> int:
    """Compute what positive pairs and a noise level certify.

    Applies Theorems 3.4 and 3.5 of arXiv 2410.06993. FILE holds both arrays by name ('embeddings'
    and 'augmented' by default); an .npz may also hold the noise level, 'sigma' or 'epsilon'. Or
    FILE holds f(X) alone, and --augmented names the file of f(X').
    """
    outputs.check_outputs(file, html, None)
    from dmtest.data.pairs import pair_files
    from dmtest.information.pairs import pair_bounds

    with pair_files(file, key, augmented) as found:
        if sigma is None and epsilon is None:
            sigma, epsilon = found.levels.get("sigma"), found.levels.get("epsilon")
        pairs = pair_bounds(
            found.first,
            found.second,
            sigma=sigma,
            epsilon=epsilon,
            batch=batch,
            confidence=confidence,
            rng=seed,
            keys=found.keys,
            memory=memory,
        )
    if json:
        from dmtest.results.serial import dumps, plain

        put(dumps(plain(pairs.to_dict())) + "\n")
    else:
        from dmtest.render.text.bounds import bounds_table

        put(rendered(bounds_table(pairs)))
    if html is not None:
        pairs.to_html(html, source=file)
        if not json:
            outputs.announce(f"HTML page written to {html}")
    return MISMATCH if pairs.violations else FINE
