"""Engines: one pass over the data for all statistics that share slices, pairs or labels.

An engine knows arrays, tiles and threads. It knows neither tests nor p-values: a statistic is a
short formula in statistics/, and the engine computes the sums that cost time. Which engine computes
what:

=================  ============================================================================
slices             Statistics of slices: project (n, d) on k directions, sort every slice once.
moments            Moments of slices that are never stored; no sort.
gram               Sums over pairs of rows of one sample, from tiles of the Gram matrix.
rows               `RowView`, the view of statistics of whole rows; joint evaluation over `gram`.
pool               Two samples as one pool of N rows, and its permuted labels.
labelled_gram      Quadratic forms over pairs of pooled rows, for all labellings.
labelled_slices    Sorted slices of the pool, and a distance along each for all labellings.
device             Projection, sums, slices and pairs of rows on a GPU, through the array API.
channel            Log densities of rows with added noise of known density.
directions         Random directions for all of them.
requests           The driver of statistics that share sums.
=================  ============================================================================

How calls run::

    calibration/nulls, battery, effects, reports    calibration/permutation     information, effects
        |                        |                             |                        |
    slices.slice_statistics   rows.evaluate_all        permute: requests.results_of     |
        |                        |  requests.results_of        |                        |
    SliceView / moments       gram.pair_sums       labelled_gram / labelled_slices   channel
        |                        |                             |                        |
        +------------------------+------- kernels/ ------------+------------------------+

A statistic of slices takes a `SliceView`, whose properties (moments, sort, edf sums) are computed
once for all statistics. A statistic of rows or of a pool that needs sums over pairs or sorted
slices is a generator. It yields requests: `PairSum` (gram), `PairForm` (labelled_gram) or
`SliceRequest` (labelled_slices). `requests.results_of` collects the pending requests of all
statistics, drops duplicates, has them answered in one pass, and sends every generator its answers;
it repeats this until all have returned. A test with a new sum needs a new request, not a new pass.

Memory: a matrix of all pairs is never stored. A thread of `gram` has two tiles with a side of 384
rows (float32) or 256 rows (float64), which stay in its cache with their factors. `slices` stores
at most 2^25 values of slices at a time, `pool` 2^28 bytes of labels.

Precision: sums are added in float64. Tiles of pairs are float32 only for n >= 4,096 and d >= 32
(`gram`, `channel` with normal noise) or N >= 4,096 (`labelled_gram`, whose observed value is
always float64); sums of distances are always float64. Slices have the type of the data; moments of
float32 slices with n >= 4,096 are added in float32 in runs of 256 values. Tests bound the errors:
below 1e-2 of the standard deviation of the null for pairs, below 1e-4 for moments and labelled
forms.

Threads: constants and the shape of the data divide the work into tasks, the number of threads
never does. Partial sums are added in the order of the tasks, and BLAS runs on one thread in a
task. The result has the same bits with one thread and with many.

Imports only `errors`, `runtime`, `kernels`, `targets`.
"""
