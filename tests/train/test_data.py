"""Data for the trainer: every format from tiny files made here, every malformed one refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from dmtest.train.data.load import load_images
from tests.support.calls import refused

RNG = np.random.default_rng(5)
MNIST = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def idx(array: Any) -> bytes:
    """Write the idx format by hand."""
    array = np.asarray(array, dtype=np.uint8)
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_mnist(folder: Path, zipped: bool = False) -> dict[str, tuple[Any, Any]]:
    """Make a folder of four idx files; return what they hold."""
    made = {}
    for split, n in (("train", 12), ("test", 5)):
        images = RNG.integers(256, size=(n, 4, 3), dtype=np.uint8)
        labels = np.arange(n, dtype=np.uint8) % 10
        for name, array in zip(MNIST[split], (images, labels), strict=True):
            data = gzip.compress(idx(array)) if zipped else idx(array)
            (folder / (name + ".gz" * zipped)).write_bytes(data)
        made[split] = (images, labels)
    return made


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("split", ["train", "test"])
def test_idx(tmp_path: Path, zipped: bool, split: Any) -> None:
    """Both splits come back byte for byte, plain and gzipped."""
    images, labels = write_mnist(tmp_path, zipped)[split]
    found = load_images(tmp_path, split=split)
    assert_array_equal(found.images, images[:, None])
    assert found.images.dtype == np.uint8
    assert found.is_image
    assert_array_equal(found.labels, labels)
    assert found.classes == tuple("0123456789")
    assert (found.name, len(found)) == (tmp_path.name, len(images))
    assert found.images.flags.writeable


def test_idx_all_is_train_then_test(tmp_path: Path) -> None:
    """The training images come first."""
    made = write_mnist(tmp_path)
    found = load_images(tmp_path, split="all")
    assert_array_equal(found.images[:, 0], np.concatenate([made["train"][0], made["test"][0]]))
    assert_array_equal(found.labels, np.concatenate([made["train"][1], made["test"][1]]))


def test_idx_other_spellings_and_places(tmp_path: Path) -> None:
    """Dots for dashes, EMNIST's prefix and letters, torchvision's folder, gz beside plain."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images = RNG.integers(256, size=(26, 2, 2))
    (raw / "emnist-letters-train-images.idx3-ubyte").write_bytes(idx(images))
    (raw / "emnist-letters-train-images.idx3-ubyte.gz").write_bytes(b"never read")
    (raw / "emnist-letters-train-labels.idx1-ubyte").write_bytes(idx(np.arange(1, 27)))
    found = load_images(tmp_path)
    assert_array_equal(found.images[:, 0], images)
    assert_array_equal(found.labels, np.arange(1, 27))
    assert len(found.classes) == 27


def test_idx_without_labels(tmp_path: Path) -> None:
    """Images alone have no labels and no classes."""
    (tmp_path / MNIST["train"][0]).write_bytes(idx(np.zeros((2, 3, 3))))
    found = load_images(tmp_path)
    assert found.labels is None
    assert found.classes == ()


def change(part: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Edit one training file of a good folder."""

    def apply(folder: Path) -> None:
        path = folder / MNIST["train"][part == "labels"]
        path.write_bytes(edit(path.read_bytes()))

    return apply


def stray_label(data: bytes) -> bytes:
    """Make the label of row 3 a 200."""
    return data[:11] + b"\xc8" + data[12:]


IDX_FAULTS = {
    "labels as images": (change("images", lambda b: idx(np.arange(12))), "starts with 00000801"),
    "another type": (change("images", lambda b: b"\0\0\x0d\x03" + b[4:]), "starts with 00000d03"),
    "gzip without its name": (change("images", gzip.compress), "end its name in .gz"),
    "cut": (change("images", lambda b: b[:-1]), "144 bytes, but there are only 143"),
    "too long": (change("images", lambda b: b + b"\0"), "144 bytes, but there are more"),
    "cut in the header": (change("images", lambda b: b[:9]), "ends within its header"),
    "huge sizes": (
        change("images", lambda b: b[:4] + b"\xff" * 12 + b[16:]),
        "but there are only 144",
    ),
    "no images": (change("images", lambda b: idx(np.zeros((0, 4, 3)))), "holds no images"),
    "fewer labels": (change("labels", lambda b: idx(np.arange(10))), "10 labels for the 12 images"),
    "label outside": (
        change("labels", stray_label),
        "1 labels are outside 0 to 9 .* 200, of row 3",
    ),
}


@pytest.mark.parametrize("fault", IDX_FAULTS)
def test_malformed_idx(tmp_path: Path, fault: str) -> None:
    """One sentence that names the file and what is wrong with it."""
    write_mnist(tmp_path)
    spoil, message = IDX_FAULTS[fault]
    spoil(tmp_path)
    sentence = refused(message, load_images, tmp_path)
    assert str(tmp_path) in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("spoil", [lambda b: b[:-9], lambda b: b"PK" + b[2:], lambda b: b""])
def test_malformed_gzip(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    """A cut, another and an empty file."""
    write_mnist(tmp_path, zipped=True)
    path = tmp_path / (MNIST["train"][0] + ".gz")
    path.write_bytes(spoil(path.read_bytes()))
    refused(r"truncated or corrupt|ends within its header", load_images, tmp_path)


def test_idx_test_label_that_training_does_not_know(tmp_path: Path) -> None:
    """The classes are the training labels'."""
    write_mnist(tmp_path)
    (tmp_path / MNIST["test"][1]).write_bytes(idx([1, 2, 3, 4, 11]))
    refused(r"outside 0 to 9 \(the first is 11, of row 4", load_images, tmp_path, split="test")


def test_idx_missing_and_ambiguous_files(tmp_path: Path) -> None:
    """A split that is not there, sizes that differ, labels of one split, two sets in a folder."""
    write_mnist(tmp_path)
    (tmp_path / MNIST["test"][0]).write_bytes(idx(np.zeros((5, 3, 3))))
    refused("differ in size", load_images, tmp_path, split="all")
    (tmp_path / MNIST["test"][1]).unlink()
    refused("only one of the two splits has labels", load_images, tmp_path, split="all")
    (tmp_path / MNIST["test"][0]).unlink()
    refused("no file of test images; add t10k-images", load_images, tmp_path, split="test")
    (tmp_path / "emnist-train-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 3, 3))))
    refused("several files of one kind", load_images, tmp_path)
    refused("one idx file; pass the folder", load_images, tmp_path / MNIST["train"][0])


def cifar_records(n: int, label_bytes: int, classes: int) -> tuple[bytes, Any, Any]:
    """Write n records of the binary version by hand."""
    images = RNG.integers(256, size=(n, 3, 32, 32), dtype=np.uint8)
    labels = RNG.integers(classes, size=n).astype(np.uint8)
    coarse = b"\7" * (label_bytes - 1)
    data = b"".join(
        coarse + bytes([label]) + image.tobytes()
        for label, image in zip(labels, images, strict=True)
    )
    return data, images, labels


def test_cifar10(tmp_path: Path) -> None:
    """Batches in the order of their numbers, 10 after 9; names from the text file."""
    made = {}
    for number in range(1, 11):
        data, images, labels = cifar_records(2, 1, 10)
        (tmp_path / f"data_batch_{number}.bin").write_bytes(data)
        made[number] = (images, labels)
    data, images, labels = cifar_records(3, 1, 10)
    (tmp_path / "test_batch.bin").write_bytes(data)
    assert load_images(tmp_path).classes == tuple("0123456789")
    names = [f"class{number}" for number in range(10)]
    (tmp_path / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    train, test = load_images(tmp_path), load_images(tmp_path, split="test")
    assert_array_equal(train.images, np.concatenate([pair[0] for pair in made.values()]))
    assert_array_equal(train.labels, np.concatenate([pair[1] for pair in made.values()]))
    assert_array_equal(test.images, images)
    assert_array_equal(test.labels, labels)
    assert test.classes == tuple(names)
    assert len(load_images(tmp_path, split="all")) == 23


def test_cifar100_takes_fine_labels(tmp_path: Path) -> None:
    """The second label byte counts; the archive's own folder is looked into."""
    inner = tmp_path / "cifar-100-binary"
    inner.mkdir()
    data, images, labels = cifar_records(4, 2, 100)
    (inner / "train.bin").write_bytes(data)
    found = load_images(tmp_path)
    assert_array_equal(found.images, images)
    assert_array_equal(found.labels, labels)
    assert len(found.classes) == 100
    refused(r"test\.bin: there is no such file", load_images, tmp_path, split="test")


def test_malformed_cifar(tmp_path: Path) -> None:
    """Cut, a label outside, a gap, names of another number, both sets, the pickles."""
    first = tmp_path / "data_batch_1.bin"
    data = cifar_records(2, 1, 10)[0]
    first.write_bytes(data[:-1])
    refused("6145 bytes, not a multiple of the 3073", load_images, tmp_path)
    first.write_bytes(b"")
    refused("0 bytes, not a multiple", load_images, tmp_path)
    first.write_bytes(data[:3073] + b"\x0a" + data[3074:])
    refused(r"1 labels are outside 0 to 9 \(the first is 10, of row 1", load_images, tmp_path)
    first.write_bytes(data)
    (tmp_path / "batches.meta.txt").write_text("cat dog")
    refused("names 2 classes, CIFAR-10 has 10", load_images, tmp_path)
    (tmp_path / "batches.meta.txt").write_bytes(b"\xff\xfe\xff")
    refused("is not text", load_images, tmp_path)
    (tmp_path / "data_batch_3.bin").write_bytes(data)
    refused("numbered 1, 3, with a gap", load_images, tmp_path)
    (tmp_path / "train.bin").write_bytes(data)
    refused("both CIFAR-10 and CIFAR-100", load_images, tmp_path)
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "data_batch_1").write_bytes(b"\x80\x04.")
    refused("python version, pickles", load_images, tmp_path / "python")


def write_pictures(folder: Path, n: int, shape: tuple[int, ...] = (5, 4, 3)) -> Any:
    """Write n png images; return their pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(256, size=(n, *shape), dtype=np.uint8)
    for row, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{row:03}.png")
    return pixels


def test_folder_of_classes(tmp_path: Path) -> None:
    """Labels are the subfolders in order; a fifth of each class is the test; none is lost."""
    cats, dogs = write_pictures(tmp_path / "cat", 10), write_pictures(tmp_path / "dog", 20)
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"hidden")
    both = load_images(tmp_path, split="all")
    assert_array_equal(both.images.transpose(0, 2, 3, 1), np.concatenate([cats, dogs]))
    assert_array_equal(both.labels, [0] * 10 + [1] * 20)
    assert both.classes == ("cat", "dog")
    train, test = load_images(tmp_path), load_images(tmp_path, split="test")
    assert_array_equal(np.bincount(train.labels), [8, 16])
    assert_array_equal(np.bincount(test.labels), [2, 4])
    held = {image.tobytes() for image in (*train.images, *test.images)}
    assert held == {image.tobytes() for image in both.images}


def test_folder_with_its_own_split(tmp_path: Path) -> None:
    """Folders train and test are not split again; grey ones join colour as grey RGB."""
    for name in ("a", "b"):
        write_pictures(tmp_path / "train" / name, 3)
        grey = write_pictures(tmp_path / "test" / name, 2, (5, 4))
    assert load_images(tmp_path).images.shape == (6, 3, 5, 4)
    test = load_images(tmp_path, split="test")
    assert test.images.shape == (4, 1, 5, 4)
    assert_array_equal(test.images[2:, 0], grey)
    both = load_images(tmp_path, split="all")
    assert_array_equal(both.images[8:], np.repeat(grey[:, None], 3, axis=1))
    assert_array_equal(both.labels, [0, 0, 0, 1, 1, 1, 0, 0, 1, 1])
    (tmp_path / "train" / "c").mkdir()
    refused(r"do not hold the same classes \(c in only one", load_images, tmp_path)


def test_flat_folder_and_modes(tmp_path: Path) -> None:
    """Images alone have no labels; palettes, opaque alpha, grey and jpeg are read as 8 bits."""
    red = np.zeros((4, 4, 3), dtype=np.uint8)
    red[..., 0] = 200
    image = Image.fromarray(red)
    image.save(tmp_path / "a.png")
    image.convert("RGBA").save(tmp_path / "b.png")
    image.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "c.png")
    image.save(tmp_path / "d.JPEG", quality=95)
    Image.fromarray(red[..., 0]).save(tmp_path / "e.png")
    Image.fromarray(red[..., 0] > 0).save(tmp_path / "f.png")
    found = load_images(tmp_path, split="all")
    assert found.labels is None
    expected = np.broadcast_to(red.transpose(2, 0, 1), (3, 3, 4, 4))
    assert_array_equal(found.images[:3], expected)
    assert_allclose(found.images[3], red.transpose(2, 0, 1), atol=4)
    assert (found.images[4] == 200).all()
    assert (found.images[5] == 255).all()


def test_unequal_sizes_are_refused_or_resized(tmp_path: Path) -> None:
    """Two sizes in a folder need one that is asked for; a constant stays the constant."""
    for name, side in (("a", 6), ("b", 9)):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((side, side), 77, dtype=np.uint8)).save(tmp_path / name / "0.png")
    refused(r"unequal sizes \(6 x 6, 9 x 9\); pass size=", load_images, tmp_path, split="all")
    found = load_images(tmp_path, split="all", size=(3, 4))
    assert found.images.shape == (2, 1, 3, 4)
    assert (found.images == 77).all()


def test_malformed_folders(tmp_path: Path) -> None:
    """Truncated, misnamed, 16-bit, transparent, other files, loose files, nothing at all."""
    place = tmp_path / "cat"
    write_pictures(place, 2)
    (place / "2.png").write_bytes((place / "000.png").read_bytes()[:60])
    refused(r"2\.png: cannot be read as an image", load_images, tmp_path)
    (place / "2.png").write_bytes(b"GIF89a")
    refused(r"2\.png: cannot be read as an image", load_images, tmp_path)
    Image.fromarray(np.full((5, 4), 999, dtype=np.uint16)).save(place / "2.png")
    refused(r"pixels of mode 'I;16'", load_images, tmp_path)
    Image.new("RGBA", (4, 5), (1, 2, 3, 4)).save(place / "2.png")
    refused("has transparent pixels", load_images, tmp_path)
    (place / "2.png").rename(place / "notes.txt")
    refused(r"1 files are not png or jpeg \(notes\.txt\)", load_images, tmp_path)
    (place / "notes.txt").rename(tmp_path / "notes.txt")
    refused(r"1 files beside its folders \(notes\.txt\)", load_images, tmp_path)
    (tmp_path / "empty").mkdir()
    refused("holds no png or jpeg", load_images, tmp_path / "empty")


def test_digits() -> None:
    """1,297 and 500 rows of all classes by their share; from 0 to 1; the same every time."""
    train, test = load_images("digits"), load_images("digits", split="test")
    assert (len(train), len(test)) == (1297, 500)
    assert_allclose(np.bincount(test.labels) / np.bincount(train.labels), 500 / 1297, rtol=0.02)
    assert (test.images.min(), test.images.max(), test.images.dtype) == (0.0, 1.0, np.float32)
    assert_array_equal(test.images, load_images("digits", split="test").images)
    whole = {row.tobytes() for row in load_images("digits", split="all").images}
    parts = [{row.tobytes() for row in part.images} for part in (train, test)]
    assert parts[0] | parts[1] == whole
    assert sum(map(len, parts)) == len(whole)


@pytest.mark.parametrize(
    ("array", "shape", "kind"),
    [
        (RNG.standard_normal((10, 3)), (10, 3), np.float32),
        (RNG.integers(256, size=(10, 4, 5)), (10, 1, 4, 5), np.uint8),
        (RNG.random((10, 4, 5, 3)), (10, 3, 4, 5), np.float32),
        (RNG.random((10, 4, 5)) > 0.5, (10, 1, 4, 5), np.float32),
    ],
)
def test_arrays(array: Any, shape: tuple[int, ...], kind: Any, tmp_path: Path) -> None:
    """Features, grey and colour images with channels last; from memory and from a file."""
    np.save(tmp_path / "x.npy", array)
    for source in (array, tmp_path / "x.npy"):
        found = load_images(source, split="all", labels=list("abbaabbaab"))
        assert (found.images.shape, found.images.dtype) == (shape, kind)
        assert found.is_image == (len(shape) == 4)
        back = found.images.transpose(0, 2, 3, 1).reshape(array.shape) if array.ndim > 2 else None
        assert_array_equal(found.images if back is None else back, array.astype(kind))
        assert_array_equal(found.labels, [0, 1, 1, 0, 0, 1, 1, 0, 0, 1])
        assert found.classes == ("a", "b")


def test_array_splits() -> None:
    """Train and test are the whole, in order; classes as their shares with the largest first."""
    rows = np.arange(22.0)[:, None]
    labels = np.repeat([5, 7, 9], [13, 8, 1])
    train = load_images(rows, labels=labels)
    test = load_images(rows, split="test", labels=labels)
    assert (np.diff(train.images[:, 0]) > 0).all()
    assert_array_equal(np.sort(np.concatenate([train.images, test.images])[:, 0]), rows[:, 0])
    # 4 of 22: shares 2.36, 1.45 and 0.18, so the second class has the largest remainder.
    assert_array_equal(np.bincount(test.labels, minlength=3), [2, 2, 0])
    assert test.classes == ("5", "7", "9")
    assert len(load_images(rows, split="test")) == 4


def test_archives(tmp_path: Path) -> None:
    """Keys images and labels, else the first; archives with a split of their own."""
    images, labels = RNG.integers(256, size=(6, 2, 2)), np.array([3, 1, 3, 1, 1, 3])
    path = tmp_path / "a.npz"
    np.savez(path, other=images[:2], images=images, labels=labels)
    found = load_images(path, split="all")
    assert_array_equal(found.images[:, 0], images)
    assert_array_equal(found.labels, labels == 3)
    assert (found.classes, found.name) == (("1", "3"), "a")
    np.savez(path, embeddings=images[:, 0], sigma=0.1)
    assert_array_equal(load_images(path, split="all").images, images[:, 0])
    keras = {"x_train": images[:4], "y_train": labels[:4]}
    keras |= {"x_test": images[4:], "y_test": labels[4:]}
    np.savez(path, **keras)
    test = load_images(path, split="test")
    assert_array_equal(test.images[:, 0], images[4:])
    assert_array_equal(test.labels, [0, 1])
    assert len(load_images(path)) == 4
    refused("own split; leave them out", load_images, path, labels=labels)
    np.savez(path, **keras | {"y_test": labels[3:]})
    refused(r"'y_test'\]: got 3 labels for 2 rows", load_images, path)
    np.savez(path, **keras | {"x_test": images[4:, :1]})
    refused("do not fit together", load_images, path)
    keras.pop("y_test")
    np.savez(path, **keras)
    refused("has no 'y_test'", load_images, path)


def test_pickles_and_broken_files_are_refused(tmp_path: Path) -> None:
    """Nothing in a file is run, and a cut file is said to be one."""
    path = tmp_path / "x.npy"
    np.save(path, np.array([{}, {}], dtype=object), allow_pickle=True)
    refused("pickled Python objects", load_images, path)
    np.save(path, np.zeros((5, 5)))
    path.write_bytes(path.read_bytes()[:-8])
    refused("truncated", load_images, path)
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 nothing")
    refused("truncated", load_images, tmp_path / "x.npz")


IMAGES = np.zeros((4, 3, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("digits", {"split": "val"}, "split: got 'val'"),
        ("digits", {"size": 0}, "size: got 0"),
        ("digits", {"size": (2, 3, 4)}, "size: got"),
        ("digits", {"labels": [1]}, "labels: digits has its own"),
        ("no/such/folder", {}, "no file or folder 'no/such/folder'"),
        (np.zeros((4, 2)), {"size": 3}, "has features, not images"),
        (np.zeros(4), {}, r"shape \(4,\)"),
        (np.zeros((0, 4)), {}, r"shape \(0, 4\)"),
        (np.zeros((1, 4)), {}, "one row cannot be split"),
        (["a", "b"], {}, "give numbers"),
        (np.full((4, 2), np.nan), {}, "4 of 4 rows"),
        (np.array([[1e300], [1.0]]), {}, "1 of 2 rows .* not finite in float32"),
        (IMAGES - 1.0, {}, r"run from -1.0 to -1.0"),
        (IMAGES + np.nan, {}, "run from nan"),
        (IMAGES.astype(int) + 256, {}, "run from 256 to 256"),
        (np.zeros((4, 3, 8, 8)), {}, "8 channels; channels come last"),
        (IMAGES, {"labels": [0, 1]}, "2 labels for 4 rows"),
        (IMAGES, {"labels": [0.5, 1, 2, 3]}, "labels of type float64"),
        (IMAGES, {"labels": np.zeros((4, 2), int)}, r"labels of shape \(4, 2\)"),
    ],
)
def test_refusals(source: Any, options: Any, message: str) -> None:
    """What cannot be used is named with its cure."""
    refused(message, load_images, source, **options)


def test_resizing_averages() -> None:
    """Halving an image of 2 x 2 blocks gives the blocks back at its middle; floats too."""
    blocks = RNG.integers(256, size=(3, 4, 4), dtype=np.uint8)
    large = blocks.repeat(8, axis=1).repeat(8, axis=2)
    found = load_images(large, split="all", size=4).images[:, 0]
    assert np.corrcoef(found.ravel(), blocks.ravel())[0, 1] > 0.95
    assert_allclose(found.mean(), blocks.mean(), rtol=0.05)
    same = load_images(large / 255.0, split="all", size=4).images[:, 0]
    assert_allclose(same, found / 255.0, atol=1 / 255)


def test_tensor() -> None:
    """Images from 0 to 1 as float32, features unchanged; the arrays are not shared."""
    torch = pytest.importorskip("torch")
    pixels = np.array([[[0, 51], [102, 255]]] * 2, dtype=np.uint8)
    held = load_images(pixels, split="all")
    tensor = held.tensor("cpu")
    assert tensor.dtype == torch.float32
    assert_allclose(tensor[0, 0].numpy(), [[0.0, 0.2], [0.4, 1.0]], rtol=1e-6)
    features = load_images(np.array([[3.0, -7.0], [1.0, 2.0]]), split="all")
    made = features.tensor()
    made[0, 0] = 9.0
    assert_array_equal(features.images, [[3.0, -7.0], [1.0, 2.0]])
