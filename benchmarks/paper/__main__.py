"""Run the experiments; interrupted ones go on where they stopped.

python -m benchmarks.paper figure1 --data MNIST_FOLDER [--seeds 3]
python -m benchmarks.paper best --which normal-2 --data MNIST_FOLDER
python -m benchmarks.paper cost --data MNIST_FOLDER
python -m benchmarks.paper equal --data MNIST_FOLDER
python -m benchmarks.paper generate --data MNIST_FOLDER [--seeds 3] [--steps 14000]
python -m benchmarks.paper headtohead --data MNIST_FOLDER
python -m benchmarks.paper methods --data FASHION_MNIST_FOLDER
python -m benchmarks.paper defaults
python -m benchmarks.paper targets
python -m benchmarks.paper tradeoff [--data MNIST_FOLDER]
python -m benchmarks.paper injection --data MNIST_FOLDER
python -m benchmarks.paper pictures
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core a run: run two at a time on two

import torch


def main() -> None:
    """Run one experiment."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = ("figure1", "best", "cost", "equal", "headtohead", "methods", "pictures")
    names += ("defaults", "generate", "targets", "tradeoff", "injection")
    parser.add_argument("experiment", choices=names)
    parser.add_argument("--data", help="folder with idx files")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--which",
        default="normal-2",
        help="of best: normal-2, normal-8, normal-8-closer, uniform-2",
    )
    parser.add_argument("--steps", type=int, default=14_000, help="of generate")
    said = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if said.experiment == "pictures":
        from benchmarks.paper.pictures import pictures

        return pictures()
    if said.experiment in ("defaults", "targets", "tradeoff"):
        from benchmarks.paper import digits

        if said.experiment == "tradeoff":
            return digits.tradeoff(said.data)
        return {"defaults": digits.defaults, "targets": digits.targets}[said.experiment]()
    if said.data is None:
        parser.error("--data: name the folder with the idx files")
    if said.experiment == "methods":
        from benchmarks.paper.ssl import methods

        return methods(said.data, said.seeds)
    if said.experiment == "generate":
        from benchmarks.paper.generate import generate

        return generate(said.data, said.seeds, said.steps)
    if said.experiment == "headtohead":
        from benchmarks.paper.headtohead import headtohead

        return headtohead(said.data, said.seeds)
    if said.experiment == "injection":
        from benchmarks.paper.injection import injection

        return injection(said.data)
    from benchmarks.paper.mnist import best, cost, equal, figure1

    if said.experiment == "figure1":
        return figure1(said.data, said.seeds)
    if said.experiment == "best":
        return best(said.data, said.seeds, said.which)
    return {"cost": cost, "equal": equal}[said.experiment](said.data)


if __name__ == "__main__":
    main()
