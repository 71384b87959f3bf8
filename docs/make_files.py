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

- Without a key, the only array is read, or the one called `embeddings`; the report then says
  which others there are. In a table, the only column of lists is read, or all columns. If several
  arrays are possible, dmtest guesses nothing: the error lists names and shapes.
- Levels of a name are joined by `/`, as in `obsm/X_pca`. The last part is enough if no other
  array ends in it.
- Columns are positions from 0 (`--columns 0:16,20`), or names where the file has names.

```sh
dmtest report cells.h5ad --key X_pca
dmtest report run.h5 --key layer4/embeddings --columns 0:64
dmtest report dataset_folder --key train/embedding
dmtest report glove.6B.50d.txt
dmtest report export.csv --delimiter ';' --columns 0:4
curl -s https://example.org/z.csv | dmtest report -
```

## Text

The first lines of a `.csv` or `.tsv` tell what separates its cells (comma, semicolon, tab, bar or
space: the one that cuts all lines into equally many cells of which most are numbers) and whether
decimals have commas, as in `1,5;2,25`. The report says so where it is not what the suffix
promises. `--delimiter` / `load(path, delimiter=)` decides it. A column of text is refused, with
the columns that hold numbers: `--columns 0:4` leaves it out.

## What is always refused

- Everything that would have to be unpickled: arrays of objects in `.npy`, `.npz`, HDF5 and Zarr,
  and objects other than tensors in `.pt`. `.pt` is read with `weights_only=True` and nothing
  else, and only with torch 2.10 or later, because earlier versions can be made to run code all
  the same (CVE-2025-32434, CVE-2026-24747). Zarr arrays are opened only if all their codecs are
  known to produce numbers.
- Data in other files: external links, external storage and virtual datasets of HDF5, and names in
  a dataset's `state.json` that lead out of its folder.
- Chunks of HDF5 and Zarr that were never written, or got lost. The library would fill them with
  zeros.
- Sparse matrices (`X` of many `.h5ad` files). As dense matrices most of their values would be
  exactly 0, which no continuous target has, so the verdict is known beforehand; and they may not
  fit into memory. Test a dense `obsm`, or save `X.toarray()` to insist.

## Memory

What a file needs is known from its header before it is read, and it is refused, with both
numbers, if that is more than

- `memory=` bytes, where it is given (`dmtest.load`, `report`, `Summary`; `--memory`), or else
- the memory that is free, and for a compressed file 10 times its size and 1 GiB. A file made to
  fill the memory unpacks to a thousand times its size; a sound one that does is read with
  `dmtest.load(path, memory=...)`.

Files that are mapped need nothing. Text says nothing beforehand: its bytes and lines are counted
while they are read.

Reports, checks and bounds of many rows read @KINDS in parts
([what each part is](streaming.md)): of their memory one part counts. The last part of a `.npz`, a
`.zarr.zip` or a text has its checksum or its end, so a report of a damaged one is refused at the
end.

## Damaged files

One guard for all kinds (`dmtest/data/readers/guard.py`) reads a file only if all of its bytes are
accounted for. What is compared:

- `.npy`, `.fbin`, `.fvecs` and similar: the shape in the header, or the length in front of every
  row, with the size of the file.
- Zip files (`.npz`, `.zarr.zip`, `.pt`): members lie side by side and fill the file, no two have
  one name, and each is as long as its header says.
- `.pt`: sizes of storages with those of members. A tensor has no more values than are stored, and
  no two have one name.
- HDF5: the shape of a dataset with its storage and its chunks, the file with its own end.
- Zarr: the grid with the chunks. None is missing, left over, empty or cut; shards have no holes.
- Arrow, Feather, datasets: the messages with the file. A folder lists each shard once, and as many
  as their names count.
- Parquet: the rows of the groups with those of the file, and the size of the columns with that of
  files of Arrow's own writer.
- safetensors: the header with the file. No name is there twice.
- Text: equally many cells in every line, at most one byte-order mark, and a first line of names or
  of numbers, not of both.

What a format cannot tell is not noticed: a cut at the end of a row in `.fvecs .ivecs .bvecs`, a
cut at the end of a line in text without a count of its lines (`.csv`, `.tsv`, GloVe), and changed
bytes inside of numbers where there is no checksum (`.npz`, `.gz`, Zarr with `crc32c` and HDF5 with
`fletcher32` have one). Where the last line of a text has no end, its last number may be cut: the
report has the finding `open-end` with the number of rows and columns that were read.

[Thousands of damaged files](../benchmarks/results/files.md) were read in a process with limits;
`python -m benchmarks.trust.files` does so again.

## Half precision

float16 is read as it is. bfloat16 (safetensors, torch), which NumPy lacks, becomes float32
without loss. Reports say so, because rounded values make ties, which tests may detect. FP8
tensors of safetensors are refused; those of torch become float32.

## URLs

Every URL that [fsspec](https://filesystem-spec.readthedocs.io) reaches can be read, also a
chained one (`zip://z.npy::s3://bucket/all.zip`). Files and folders are copied to a temporary
folder and read there. The copy is removed afterwards; that of a mapped file is removed with its
array. `file://` copies nothing, and neither does a report on an `.npy` file. Passwords, and what
follows a `?` in `https://`, do not get into results.

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
    kinds = [f"`{row.suffixes[0]}`" for row in FORMATS if row.parts and row.suffixes]
    named = f"{', '.join(kinds)} and folders of datasets"
    parts = [HEAD, *map(_cells, FORMATS), TAIL.replace("@KINDS", named)]
    parts.append(f"| all | `{FSSPEC.command}` |\n")
    for package in dict.fromkeys(PACKAGES.values()):
        urls = ", ".join(f"`{name}://`" for name in PACKAGES if PACKAGES[name] == package)
        parts.append(f"| {urls} | `pip install {package}` |\n")
    command = "`pip install 'dmtest[files]'`"
    parts.append(f"\n{command} installs h5py, zarr, safetensors and fsspec at once.\n")
    return "".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("files.md").write_text(text(), encoding="utf-8")
