"""What to do about a finding: its usual cause, the cure, and a line of code or an option.

Text in backticks is code that runs: Python on a sample `x`, a second sample `y`, `target` and
`dmtest`, or an option of ``dmtest report FILE``. tests/results/test_advice.py runs all of it.
"""

from __future__ import annotations

# Places drawn within the steps of integers.
RANDOM_PLACES = "`x = x + np.random.default_rng(0).uniform(-0.5, 0.5, x.shape)`"

# Advice by code of a finding, where the finding brings none of its own.
ADVICE: dict[str, str] = {
    # Reading
    "archive-key": "Name the array that you mean with `--key embeddings`, or key= in Python.",
    "column-names": (
        "Check that columns have the same meaning in both; give each a name of its own."
    ),
    "delimiter": (
        "Nothing to do if the columns are right; else name it with delimiter= (--delimiter)."
    ),
    "open-end": (
        "Compare the number of rows with that of the original; if it is right, end the last line."
    ),
    "embedding-column": "Name another column with key= (--key) if these are not the embeddings.",
    "index-column": "Nothing to do; name it in columns= (--columns) if it is data.",
    "rounded-integers": (
        "Such integers are usually identifiers: leave the column out with `--columns 0,1`, or "
        "pass differences from a common start."
    ),
    "low-precision": (
        "Usual cause: embeddings saved in half precision. Save them in float32, for instance "
        'with `np.save("x.npy", x.astype(np.float32))` on the output of the last layer.'
    ),
    "longdouble": "Nothing to do: float64 resolves more than any test.",
    "large-values": "Rescale the columns, for instance `x = x / np.abs(x).max(axis=0)`.",
    "nonfinite-rows": (
        "Usual cause: missing values, or a loss that diverged. Find the rows with "
        "`np.flatnonzero(~np.isfinite(x).all(axis=1))`."
    ),
    "streamed": (
        "Nothing to do: tests hold for all rows or for a random sample of them. More rows are kept "
        "by `dmtest.report(dmtest.Summary.of(x, rows=100_000))`."
    ),
    "missing-rows": (
        "Usual cause: a chunk or a part that was never added. Add it, or merge the "
        "summary of its worker."
    ),
    "groups": "Nothing to do: p-values hold if rows of different groups are independent.",
    # Columns
    "constant-columns": (
        "Usual cause: a dead unit, a border pixel, or a variable that was not recorded. Leave "
        "such columns out: `x = x[:, np.ptp(x, axis=0) > 0]`; in an encoder raise the variance "
        "penalty."
    ),
    "dead-coordinates": (
        "Usual cause: a dead unit. Leave such columns out: `x = x[:, x.std(axis=0) > 1e-6]`; "
        "in an encoder raise the variance penalty."
    ),
    "duplicate-columns": (
        "Usual cause: a column that was joined twice, or tied units. Keep one of each: `x = "
        "x[:, np.sort(np.unique(x, axis=1, return_index=True)[1])]`."
    ),
    "rank-deficient": (
        "Usual cause: sums, shares or one-hot columns, or a bottleneck before the last layer. "
        "Leave out what the others determine, for instance `--columns 0:3`."
    ),
    "collapse": (
        "Usual cause: dimensional collapse: a narrow layer, or too weak a penalty on "
        "covariances. Widen or penalise; the directions that vary are tested by "
        '`dmtest.report(x, "any-normal")` once the others are left out.'
    ),
    "few-rows": (
        "Add rows, or test fewer columns: `--columns 0:3`, or the leading principal components."
    ),
    "transposed": "Pass the transpose: `x = x.T`.",
    "zeros": (
        "Usual cause: a ReLU, whose output is exactly 0 with positive probability. Test the "
        "layer before it, or end the encoder in a linear layer; sparse data compare with a "
        "sample: `dmtest.compare(x, y)`."
    ),
    # Values
    "integer-data": (
        "Usual cause: counts, pixels, labels or ranks. Ranks have a target of their own, "
        "`--target ranks --draws 20`; counts are tested at random places within their steps: "
        f"{RANDOM_PLACES}."
    ),
    "ranks": "Pass the ranks themselves: `--target ranks --draws 20` with the number of draws.",
    "lattice": (
        "Usual cause: rounding or quantisation. Save more digits, or draw places within the "
        "step: `x = x + 0.1 * np.random.default_rng(0).uniform(-0.5, 0.5, x.shape)` for steps "
        "of 0.1."
    ),
    "few-values": (
        "Usual cause: categories, quantised codes or a saturated activation. Leave such "
        "columns out (`--columns 0:3`), or compare two samples, which may have ties: "
        "`dmtest.compare(x, y)`."
    ),
    "saturated": (
        "Usual cause: a sigmoid or a clip at its end, or p-values of too few draws. Save the "
        "values before the sigmoid in float64, or do not clip."
    ),
    "outside-support": (
        "Usual cause: another box or another law than the target's. State the box, "
        "`dmtest.report(x, dmtest.Uniform(x.min() - 1, x.max() + 1))`, or test another law, "
        "such as `--target any-normal`."
    ),
    "zero-rows": (
        "Usual cause: items without content, or a ReLU in front of the normalisation. Leave "
        "them out: `x = x[np.any(x != 0, axis=1)]`."
    ),
    "normalised": "Nothing to do if only directions matter; lengths are reported by target normal.",
    # Rows
    "duplicate-rows": (
        "Usual cause: an item that was embedded twice, or sampling with replacement. Keep one "
        "of each, `x = np.unique(x, axis=0)`, or pass groups= (--groups) with the item of "
        "every row."
    ),
    "partial-repeats": (
        "Usual cause: rows that share an item, a user or a time. Pass groups= (--groups) with "
        "what they share: `dmtest.report(x, target, groups=np.arange(len(x)) // 2)`."
    ),
    "near-duplicates": (
        "Usual cause: copies with rounding or noise, near-identical items, or augmented views. "
        "Keep one of each, or pass groups= (--groups) with the item of every row: "
        "`dmtest.report(x, target, groups=np.arange(len(x)) // 2)`."
    ),
    "grouped-rows": (
        "Usual cause: several views, sentences or frames of one item. Pass the item of every "
        "row: `dmtest.report(x, target, groups=np.arange(len(x)) // 2)` where two rows in turn "
        "belong together, or `--groups NAME`."
    ),
    "serial-correlation": (
        "Usual cause: a chain, a time series, or rows that were sorted. Thin the rows, for "
        "instance `x = x[::10]`, or pass blocks: `dmtest.report(x, target, "
        "groups=np.arange(len(x)) // 10)`. For residuals, model the dependence first."
    ),
    "outliers": (
        "Usual cause: wrong units, failed measurements, or a few items of another kind. Look "
        "at these rows; a report without them says whether the rest follows the target."
    ),
    "classical-distances": (
        "Outliers hide each other in classical distances. Score fewer columns, such as the first "
        "two, `dmtest.outliers(x[:, :2])`, add rows, or compare rows with a fixed target: "
        '`dmtest.outliers(x, "normal")`.'
    ),
    "exact-fit": (
        "Usual cause: a column that is 0, or some other value, in most rows. Score the other "
        "columns: `dmtest.outliers(x[:, np.ptp(np.quantile(x, (0.25, 0.75), axis=0), axis=0) > "
        "0])`."
    ),
    # What is wrong with one sample
    "class": (
        "Read the table of tests of this class: `dmtest.report(x, target, by=np.arange(len(x)) "
        '% 2).classes["0"]`, with your labels and its name.'
    ),
    "units": (
        "The target is N(0, I), and these columns have their own units. Test the shape "
        "whatever mean and covariance are: `--target any-normal`."
    ),
    "unit-interval": (
        "Usual cause: probabilities, or values after a sigmoid or a cdf. Test them against the "
        "uniform: `--target uniform`."
    ),
    "constant-norm": (
        "Usual cause: embeddings that were normalised. Test directions on the sphere: "
        "`dmtest.report(x, dmtest.Sphere(normalise=True))`, or `--target sphere --normalise`."
    ),
    "concentration": (
        "Usual cause: a component that all embeddings share (anisotropy). Subtract the mean, "
        "then test directions again: `x = x - x.mean(axis=0)`, `dmtest.report(x, "
        "dmtest.Sphere(normalise=True))`."
    ),
    "mean": (
        "Usual cause: a bias that no penalty holds at 0, or a shift of the data. Centre the "
        "columns, `x = x - x.mean(axis=0)`, or leave mean and covariance free: `--target "
        "any-normal`."
    ),
    "scale": (
        "Usual cause: a noise level or a penalty on variances that is too weak or too strong. "
        "Standardise, `x = (x - x.mean(axis=0)) / x.std(axis=0)`, or leave mean and covariance "
        "free: `--target any-normal`."
    ),
    "correlation": (
        "Usual cause: redundant units or variables. Penalise covariances, whiten the sample, "
        "or leave the covariance free: `--target any-normal`."
    ),
    "coordinates": (
        "Usual cause: another location, scale or shape of single columns. Plot them, or leave "
        "their mean and variance free: `--target any-normal`."
    ),
    "clusters": (
        "Usual cause: classes or batches with different means. Test every group by itself, for "
        'instance `dmtest.report(x[x[:, 0] > 0], "any-normal")` with its label in place of '
        "x[:, 0] > 0."
    ),
    "tails": (
        "Usual cause: scales that differ between rows (heavy tails), or bounded values and "
        "mixtures (light tails). Test directions alone, `dmtest.report(x, "
        "dmtest.Sphere(normalise=True))`, or transform the columns."
    ),
    "lengths": (
        "Usual cause: a scale that all columns of a row share (heavy), or normalisation "
        "(light). Test directions alone: `dmtest.report(x, dmtest.Sphere(normalise=True))`."
    ),
    "skewness": (
        "Usual cause: variables that cannot be negative, or a ReLU. Transform them, for "
        "instance `x = np.cbrt(x)`, or test the layer before the activation."
    ),
    "worst-direction": (
        "Usual cause: classes, or a nonlinear relation between these columns. Plot the rows "
        "along it: `dmtest.worst_directions(x, target, count=1)[0].direction`."
    ),
    "curved-pair": (
        "Usual cause: a relation that is not a line. Plot the pair, "
        '`plt.plot(x[:, 0], x[:, 1], ".")`, and transform one of the columns.'
    ),
    "one-sided": (
        "Usual cause: skewed variables, or a few rows of another kind. Look at the rows that "
        "`dmtest.outliers(x)` lists first."
    ),
    "shape": (
        "Look at the figures of the worst slices, `dmtest.report(x, target).plot()`, and "
        "search for a direction with `dmtest.worst_directions(x, target)`."
    ),
    # The cube and ranks
    "position": (
        "Usual cause of PIT values: forecasts that are biased to one side. Shift the "
        "forecasts, or add a bias to the model that makes them."
    ),
    "too-narrow": (
        "Usual cause of PIT values: forecasts that are too sure of themselves. Widen their "
        "spread; in an encoder weaken the penalty that pushes values to the ends."
    ),
    "too-wide": (
        "Usual cause of PIT values: forecasts that are too unsure. Narrow their spread; in an "
        "encoder spread the values with more noise or a weaker penalty."
    ),
    "ends": (
        "Usual cause: values that are clipped, or a saturated sigmoid. Do not clip, or save "
        "the values before the sigmoid."
    ),
    "overconfident": (
        "Usual cause: autocorrelated draws, or an approximation that is too narrow (mean-field "
        "variational inference). Thin the draws, then widen the posterior."
    ),
    "underconfident": (
        "Usual cause: a tolerance (ABC) or an approximation that widens the posterior. Lower "
        "the tolerance."
    ),
    "biased": (
        "Usual cause: another prior or parameterisation in the sampler than in the simulator. "
        "Compare the two line by line."
    ),
    "rank-histogram": "Look at the histogram of ranks: `dmtest.report(x, target).plot()`.",
    "unused-ranks": (
        "Pass the number of draws that the values were ranked among: `--target ranks --draws 20`."
    ),
    # Two samples
    "variance": "Compare the preprocessing of both samples; standardise both in the same way.",
    "covariance": "Compare the preprocessing of both samples, and the columns that are named.",
    "columns": "Plot the columns that are named in both samples, and compare their preprocessing.",
    "direction": "Plot both samples along this direction.",
    "classifier": "Look at the columns with the largest weights of such a classifier.",
    "spectrum": (
        "Usual cause: another width of a layer, or dimensional collapse in one of the encoders."
    ),
    "mean-length": "Centre both samples, and compare again: `x = x - x.mean(axis=0)`.",
    "same-rows": "Pass fresh rows, which the other sample does not have.",
    "common-rows": "Leave rows that are in both samples out of one of them.",
    "draw-ignores-rng": "Draw with the generator that is passed to draw(n, rng).",
    "draw-repeats": "Compare with the table itself: `dmtest.compare(x, y)`.",
    # Checks
    "worse-verdict": (
        "The verdict changed although no departure grew by more than chance: check more rows, or "
        'gate on the target itself, `dmtest.check(x, target=target, fail_on="mismatch")`.'
    ),
    "other-version": "Write the baseline again with this version: --write-baseline.",
    "baseline-mismatch": "Write a baseline of an encoder that you accept: --write-baseline.",
}

# Advice on differences of two samples, where the code has another meaning for one.
DIFFERENCE = {
    "mean": (
        "Usual cause: another preprocessing, or drift. If a shift does not matter, centre "
        "both: `dmtest.compare(x - x.mean(axis=0), y - y.mean(axis=0))`."
    ),
    "lengths": (
        "Usual cause: one of the samples was normalised, or drift of scale. Normalise both, or "
        "neither."
    ),
    "shape": "Look at the figures: `dmtest.compare(x, y).plot()`.",
}
