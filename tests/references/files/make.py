"""Write small files with the programs that they come from, in an environment of its own.

pip install anndata==0.12.19 datasets==5.2.0 gensim==4.4.0 && python make.py
"""

import shutil
import tempfile
from pathlib import Path

import anndata
import datasets
import numpy as np
import pandas as pd
import scipy.sparse
from gensim.models import KeyedVectors

here = Path(__file__).parent
x = np.random.default_rng(7).normal(size=(12, 3)).astype(np.float32)
np.save(here / "x.npy", x)

rows = [f"cell{j}" for j in range(12)]
cells = anndata.AnnData(
    X=x,
    obs=pd.DataFrame(index=rows),
    var=pd.DataFrame(index=["CD4", "CD8A", "GAPDH"]),
    obsm={"X_pca": x[:, :2], "scores": pd.DataFrame(x, columns=list("abc"), index=rows)},
    layers={"counts": scipy.sparse.csr_matrix(np.maximum(x, 0))},
)
cells.write_h5ad(here / "cells.h5ad")

folder = tempfile.TemporaryDirectory()
saved = Path(folder.name)
table = datasets.Dataset.from_dict({"text": [f"t{j}" for j in range(12)], "embedding": x.tolist()})
table.save_to_disk(saved / "dataset", num_shards=2)
halves = datasets.DatasetDict(train=table, test=table.select(range(9)))
halves.save_to_disk(saved / "splits")
kind = datasets.Features({"e": datasets.Sequence(datasets.Value("float16"), length=3)})
datasets.Dataset.from_dict({"e": x.astype(np.float16).tolist()}, features=kind).save_to_disk(
    saved / "half"
)
shutil.make_archive(str(here / "datasets"), "zip", saved)

words = KeyedVectors(3)
words.add_vectors([f"w{j}" for j in range(12)], x)
words.save_word2vec_format(here / "words.vec")
words.save_word2vec_format(here / "words.bin", binary=True)
words.save_word2vec_format(here / "words.txt", write_header=False)
