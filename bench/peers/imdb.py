"""The IMDb reviews as they lie in the authors' archive, and their token ids.

Sample numbers count all `neg` reviews by file name, then all `pos`, as `hone train --order` does.
"""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MAX_LENGTH = 512
MEMBER = re.compile(r"(?:.*/)?(train|test)/(neg|pos)/([^/]+\.txt)$")


@dataclass
class Reviews:
    names: list[str]  # neg/0_3.txt
    texts: list[str]
    labels: list[int]


@dataclass
class Tokens:
    """Ids of all reviews end to end: sample i is ids[offsets[i] : offsets[i + 1]]."""

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def sample(self, number: int) -> np.ndarray:
        return self.ids[self.offsets[number] : self.offsets[number + 1]]

    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)


def read_reviews(source: Path, split: str) -> Reviews:
    """Reviews of a split from the folder or the tar.gz."""
    found = _from_folder(source, split) if source.is_dir() else _from_archive(source, split)
    if not found:
        raise SystemExit(f"bench/peers: {source}: no reviews under {split}/neg and {split}/pos")
    names = sorted(found)  # neg before pos, then by file name as a string
    labels = [0 if name.startswith("neg/") else 1 for name in names]
    return Reviews(names, [found[name] for name in names], labels)


def _from_archive(archive: Path, split: str) -> dict[str, str]:
    found: dict[str, str] = {}
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            place = MEMBER.match(member.name)
            if place is None or place.group(1) != split or not member.isfile():
                continue
            handle = tar.extractfile(member)
            assert handle is not None
            found[f"{place.group(2)}/{place.group(3)}"] = handle.read().decode()
    return found


def _from_folder(folder: Path, split: str) -> dict[str, str]:
    root = folder if (folder / split).is_dir() else folder / "aclImdb"
    files = [f for kind in ("neg", "pos") for f in (root / split / kind).glob("*.txt")]
    return {f"{f.parent.name}/{f.name}": f.read_text(encoding="utf-8") for f in files}


def load_tokenizer(tokenizer_file: Path):  # noqa: ANN201 (slow import)
    """Hugging Face's tokenizer, cutting at 512 ids, without the padding a file may ask for."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.no_padding()
    return tokenizer


def load_tokens(source: Path, split: str, tokenizer_dir: Path, cache: Path) -> Tokens:
    """Token ids of a whole split, made once and kept in `cache`."""
    stored = tokens_file(cache, split)
    if not stored.exists():
        reviews = read_reviews(source, split)
        tokenizer = load_tokenizer(tokenizer_dir / "tokenizer.json")
        samples = [encoding.ids for encoding in tokenizer.encode_batch_fast(reviews.texts)]
        save_tokens(stored, samples, reviews.labels)
    return read_tokens(stored)


def tokens_file(cache: Path, split: str) -> Path:
    return cache / f"tokens-{split}.npz"


def read_tokens(stored: Path) -> Tokens:
    with np.load(stored) as arrays:
        return Tokens(arrays["ids"], arrays["offsets"], arrays["labels"])


def save_tokens(path: Path, samples: list[list[int]], labels: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.stem + "-partial.npz")
    np.savez(
        aside,
        ids=np.concatenate([np.asarray(s, dtype=np.int32) for s in samples]),
        offsets=np.cumsum([0, *map(len, samples)]),
        labels=np.asarray(labels, dtype=np.int64),
    )
    aside.replace(path)


def select(tokens: Tokens, numbers: np.ndarray) -> Tokens:
    samples = [tokens.sample(int(n)) for n in numbers]
    return Tokens(
        np.concatenate(samples),
        np.cumsum([0, *map(len, samples)]),
        tokens.labels[numbers],
    )


def spread(total: int, wanted: int) -> np.ndarray:
    """`wanted` sample numbers, even in number and evenly spread over both classes of a split."""
    half = min(wanted, total) // 2
    each = np.linspace(0, total // 2, num=half, endpoint=False).astype(int)
    return np.concatenate([each, each + total // 2])


def write_folder(folder: Path, split: str, reviews: Reviews, numbers: np.ndarray) -> None:
    """The chosen reviews in the layout of the archive, for programs that read `imdb:FOLDER`."""
    for number in numbers:
        file = folder / split / reviews.names[number]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(reviews.texts[number], encoding="utf-8")


def write_jsonl(path: Path, texts: list[str]) -> None:
    with path.open("w", encoding="utf-8") as out:
        for text in texts:
            out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
