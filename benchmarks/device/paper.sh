#!/bin/sh
# The paper's MNIST setting on one GPU, within ten minutes, and the figures of docs/trainer.md.
#
#   benchmarks/device/paper.sh MNIST_FOLDER [EPOCHS]
#
# Recipe paper-mnist (Table 2's ConvNet, its critic on all pairs of 1,024) at sigma = 0.1 in d = 2,
# with bfloat16 scores. EPOCHS is 200 unless given; the paper has 2,000. Prints the table of the
# run, then information, distances, the paper's mean p-values and scores as one line of JSON.
set -eu
data=${1:?name the folder with the idx files of MNIST}
epochs=${2:-200}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
python -m dmtest train --data "$data" --recipe paper-mnist --sigma 0.1 --epochs "$epochs" \
    --device "${DMTEST_DEVICE:-cuda}" --scores bf16 --out "$out/run"
python - "$out/run" <<'PYTHON'
import json
import sys
from pathlib import Path

run = Path(sys.argv[1])
history = json.loads((run / "history.json").read_text())
found = json.loads((run / "verification.json").read_text())
scores = (history["downstream"] or {"values": {}})["values"]
print(json.dumps({
    "seconds": round(history["seconds"], 1),
    "steps": history["steps"],
    "capacity": round(found["capacity"], 3),
    "information": round(found["information"]["value"], 3),
    "kolmogorov": [round(value, 4) for value in found["kolmogorov"]],
    "mean_pvalues": {k: round(v["mean"], 3) for k, v in found["mean_pvalues"].items()},
    "scores": {k: round(v, 4) for k, v in scores.items()},
    "violations": found["violations"],
    "findings": [one["code"] for one in history["findings"]],
}))
PYTHON
