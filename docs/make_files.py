"""Write docs/files.md, the kinds of files, from the registry: python docs/make_files.py."""

from __future__ import annotations

from pathlib import Path

from dmtest.data.readers.formats import FORMATS, Format
from dmtest.data.readers.remote import FSSPEC, PACKAGES

HEAD = """# Files

Written by `python docs/make_files.py` from the registry of readers
(`dmtest/data/readers/formats.py`). `dmtest report FILE` and `dmtest.load(path)` read all of these;
a row of the array is an observation.

| kind | names end in | `--key` / `key=` | `--columns` / `columns=` | in memory | needs |
|---|---|---|---|---|---|
"""
TAIL = """
## Which array

- Without a key, the only array is read, or the one called `embeddings` (the report then says what
  else there is); in a table, the only column of lists, or all columns. In doubt nothing is guessed:
  the refusal lists names and shapes.
- Levels of a name are joined by `/`, as in `obsm/X_pca`; the last part will do if no other array
  ends in it.
- Columns are positions from 0 (`--columns 0:16,20`), and names where there are any.

```sh
dmtest report cells.h5ad --key X_pca
dmtest report run.h5 --key layer4/embeddings --columns 0:64
dmtest report dataset_folder --key train/embedding
dmtest report glove.6B.50d.txt
```

## What is refused, always

- Whatever would have to be unpickled: arrays of objects in `.npy`, `.npz`, HDF5 and Zarr, and
  objects other than tensors in `.pt` (read with `weights_only=True` and nothing else, and with
  torch 2.10 or later, because earlier ones can be made to run code all the same: CVE-2025-32434,
  CVE-2026-24747). Zarr arrays are opened only if all their codecs are known to make numbers.
- What lies in other files: external links, external storage and virtual datasets of HDF5, and
  names in a dataset's `state.json` that lead out of its folder.
- What a library would fill in: chunks of HDF5 and Zarr that were never written, or got lost, would
  be read as zeros.
- Sparse matrices (`X` of many `.h5ad` files). Made dense, most of their values are exactly 0, which
  no continuous target has, so the verdict is known beforehand; and they may not fit. Test a dense
  `obsm`, or save `X.toarray()` to insist.
- Arrays larger than the memory, where the kind cannot be mapped.

## What a damaged file can hide

A truncated file is noticed, except at the end of a row in `.fvecs .ivecs .bvecs`, and at the end
of a line in text without a count of its lines (`.csv`, `.tsv`, GloVe). In `.fvecs` and the like the
length in front of every row is compared with the first. Bytes changed inside of the numbers are
noticed only where the format has checksums (`.npz`, `.gz`, Zarr with `crc32c`, HDF5 with
`fletcher32`).

## Half precision

float16 is read as it is; bfloat16 (safetensors, torch), which NumPy lacks, becomes float32 without
loss. Reports say so: rounded values make ties, which tests may notice. FP8 tensors are refused.

## URLs

What [fsspec](https://filesystem-spec.readthedocs.io) reaches can be named by its URL, also chained
(`zip://z.npy::s3://bucket/all.zip`). Files and folders are copied to a temporary folder and read
there; it is removed afterwards, a mapped file when its array is. `file://` copies nothing.
Passwords and what follows a `?` in `https://` do not get into results.

| URLs | need |
|---|---|
"""


def _cells(row: Format) -> str:
    ends = " ".join(f"`{suffix}`" for suffix in row.suffixes)
    if row.markers:
        ends += " " * bool(ends) + "folders with " + " or ".join(f"`{m}`" for m in row.markers)
    needs = f"`{row.needs.command}`" if row.needs else ""
    return f"| {row.note} | {ends} | {row.key} | {row.columns} | {row.memory} | {needs} |\n"


def text() -> str:
    """Return the page."""
    parts = [HEAD, *map(_cells, FORMATS), TAIL]
    parts.append(f"| all | `{FSSPEC.command}` |\n")
    for package in dict.fromkeys(PACKAGES.values()):
        urls = ", ".join(f"`{name}://`" for name in PACKAGES if PACKAGES[name] == package)
        parts.append(f"| {urls} | `pip install {package}` |\n")
    command = "`pip install 'dmtest[files]'`"
    parts.append(f"\n{command} installs h5py, zarr, safetensors and fsspec at once.\n")
    return "".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("files.md").write_text(text(), encoding="utf-8")
