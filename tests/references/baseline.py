"""Write baseline.json.gz: what dmtest 0.1.0 stored of 50 flowers, and its check of 50 others.

    python tests/references/baseline.py

Not to be run again: the file stays what version 0.1.0 wrote, and later versions have to read it.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import numpy as np

import dmtest
from tests.support.tables import classical

HERE = Path(__file__).parent


def main() -> None:
    """Write the baseline, the report and the check."""
    flowers = classical()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.json"
        dmtest.write_baseline(flowers["setosa"], path, target="any-normal", rng=1)
        check = dmtest.check(flowers["versicolor"], path, rng=2)
        skewed = dmtest.check(np.exp(2.0 * flowers["setosa"]), path, rng=2)
        same = dmtest.check(flowers["setosa"], path, rng=2)
        stored = {
            "version": dmtest.__version__,
            "baseline": json.loads(path.read_text(encoding="utf-8")),
            "report": json.loads(dmtest.report(flowers["setosa"], "any-normal", rng=1).to_json()),
            "check": json.loads(check.to_json()),
            "skewed": json.loads(skewed.to_json()),
            "same": json.loads(same.to_json()),
        }
    text = json.dumps(stored, separators=(",", ":")).encode()
    (HERE / "baseline.json.gz").write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    main()
