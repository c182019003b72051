"""Checks that hone reads tokenizer files as transformers does: ids over a grid of settings.

Every setting is a folder of files made here: layouts (tokenizer.json, vocab.txt, both), every value
of the switches, added tokens with every flag, special tokens by other names, pairs, truncation on
either side. Each gets awkward texts made from a seed and some IMDb reviews; `hone tokenize` and
AutoTokenizer must give the same ids and token types. Some settings are also trained with for a step,
and what hone saved must still be the same tokenizer, in both programs. Prints a table; exits with 1
if anything differs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from imdb import read_reviews

ROOT = Path(__file__).resolve().parent.parent.parent
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
POSITIONS = 512
Json = dict[str, Any]


@dataclass
class Setting:
    """One folder of tokenizer files, and how texts are given to it."""

    group: str
    name: str
    files: dict[str, Any]  # by file name: text, or JSON
    max_length: int | None = None
    pairs: bool = False
    added: tuple[str, ...] = ()  # contents of added tokens, sown into the texts
    saves: bool = False  # whether what hone saves is looked at too


@dataclass
class Outcome:
    texts: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)


# --- Texts ---------------------------------------------------------------------------------------


class Texts:
    """Awkward texts from a seed: every kind of character, in changing company."""

    def __init__(self, vocabulary: list[str], reviews: list[str], seed: int) -> None:
        self.random = random.Random(seed)
        self.words = [w for w in vocabulary if w.isalpha() and len(w) > 1]
        self.reviews = reviews
        self.makers = [
            self.word, self.word, self.word, self.cased, self.cased, self.accented, self.marks,
            self.ideographs, self.emoji, self.control, self.space, self.punctuation, self.long_word,
            self.any_character, self.letters, self.number,
        ]  # fmt: skip

    def make(self, number: int, added: tuple[str, ...]) -> list[str]:
        self.added = added
        made = ["", " ", "\t\n", "\u0301", *(f" {token} " for token in added)][:number]
        repeated = [self.random.choice(self.words) for _ in range(20)]
        while len(made) < number:
            if len(made) % 20 == 0 and self.reviews:
                made.append(self.random.choice(self.reviews))
                continue
            parts = []
            for _ in range(self.random.randrange(1, 24)):
                if added and self.random.random() < 0.25:
                    parts.append(self.sown())
                elif self.random.random() < 0.2:
                    parts.append(self.random.choice(repeated))
                else:
                    parts.append(self.random.choice(self.makers)())
                parts.append(self.random.choice(["", "", " ", " ", " ", "  ", "\n", "\u00a0"]))
            made.append("".join(parts))
        return made

    def sown(self) -> str:
        """An added token, sometimes in other case, cut short, or doubled."""
        token = self.random.choice(self.added)
        return self.random.choice(
            [token, token, token, token.upper(), token.lower(), token.title(), token[:-1],
             token + token, unicodedata.normalize("NFD", token), token[1:], " " + token + "\t"]
        )  # fmt: skip

    def word(self) -> str:
        return self.random.choice(self.words)

    def cased(self) -> str:
        word = self.word()
        return self.random.choice([word.upper(), word.title(), word.swapcase(), word[::-1]])

    def accented(self) -> str:
        word = "".join(
            self.random.choice("éèêëàâäïîôöùûüçñÉÈÊÀÄÏÖÜÇÑåÅøØßẞŁłıİſǅΣςσ") if self.random.random() < 0.3 else c
            for c in self.word()
        )  # fmt: skip
        form = self.random.choice(["NFC", "NFD", "NFKC", "NFKD"])
        return unicodedata.normalize(form, word)

    def marks(self) -> str:
        marks = [chr(self.random.choice([0x300, 0x301, 0x308, 0x323, 0x327, 0x31B, 0x345, 0x5B0,
                                         0x64B, 0x93C, 0xE38, 0x1D165, 0x1D16D, 0x20DD]))
                 for _ in range(self.random.randrange(1, 5))]  # fmt: skip
        return self.random.choice("aeiouAEx한ก") + "".join(marks)

    def ideographs(self) -> str:
        return "".join(
            chr(self.random.choice([0x597D, 0x7247, 0x4E2D, 0x6587, 0x3042, 0x30AB, 0xAC00, 0x3400,
                                    0x20000, 0xF900, 0x2F800, 0x9FFF, 0xFF21]))
            for _ in range(self.random.randrange(1, 5))
        )  # fmt: skip

    def emoji(self) -> str:
        return self.random.choice(["😀", "👍🏽", "👩‍👩‍👧", "🇩🇪", "❤️", "☺", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "™", "①"])

    def control(self) -> str:
        return chr(self.random.choice([0, 1, 7, 8, 0xB, 0xC, 0x1B, 0x1F, 0x7F, 0x80, 0x85, 0xAD,
                                       0x200B, 0x200D, 0x2060, 0xFEFF, 0xFFFD, 0xE000, 0x10FFFF,
                                       0x202E, 0x378]))  # fmt: skip

    def space(self) -> str:
        return chr(self.random.choice([0x9, 0xA, 0xD, 0x20, 0xA0, 0x1680, 0x2003, 0x2028, 0x2029,
                                       0x202F, 0x205F, 0x3000]))  # fmt: skip

    def punctuation(self) -> str:
        return self.random.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~—…«»¿¡、。・‚„§¶†¢£€±×÷˜^´")

    def long_word(self) -> str:
        letter = self.random.choice("aéx好")
        return letter * self.random.choice([15, 16, 17, 99, 100, 101, 102, 250])

    def any_character(self) -> str:
        """Of the planes that hold assigned characters."""
        while True:
            code = self.random.choice(
                [self.random.randrange(0x20, 0x3000), self.random.randrange(0xA000, 0x11000),
                 self.random.randrange(0x11000, 0x1F000), self.random.randrange(0x1F000, 0x1FB00)]
            )  # fmt: skip
            if not 0xD800 <= code < 0xE000:
                return chr(code)

    def letters(self) -> str:
        length = self.random.randrange(1, 20)
        return "".join(self.random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(length))

    def number(self) -> str:
        return self.random.choice(["1", "2024", "3.14", "1,000", "covid19", "x86", "1e9", "½", "٣"])


# --- Files ---------------------------------------------------------------------------------------


def small_vocabulary(reviews: list[str]) -> list[str]:
    """Specials, characters, pieces, and the commonest words in several spellings."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = list(SPECIAL)
    words += [chr(c) for c in range(0x21, 0x7F) if not chr(c).isalnum()]
    characters = [*letters, *letters.upper(), *"0123456789", *"éüñçØßΣσς好片中文あカ한😀"]
    characters += ["e\u0301", "i\u0307", "\u0301"]
    words += characters + ["##" + c for c in characters if "\u0301" != c]
    counts: dict[str, int] = {}
    for word in " ".join(reviews).split():
        if word.isalpha():
            counts[word] = counts.get(word, 0) + 1
    common = sorted(counts, key=lambda w: (-counts[w], w))[:900]
    words += common + [w.lower() for w in common] + ["##" + w for w in common[:60]]
    words += ["café", "naïve", "##ing", "##ed", "##s", "covid", "##19", "foo", "##foo", "bar"]
    return list(dict.fromkeys(words))


def added_token(content: str, **flags: bool) -> Json:
    token: Json = dict.fromkeys(FLAGS, False)
    return {"content": content, **token, **flags}


def special_tokens(names: tuple[str, ...] = SPECIAL) -> dict[str, Json]:
    return {
        str(i): added_token(name, special=True, normalized=False) for i, name in enumerate(names)
    }


def tokenizer_json(vocabulary: list[str], **changes: Any) -> Json:  # noqa: ANN401
    def special(name: str, kind: int) -> Json:
        return {"SpecialToken": {"id": name, "type_id": kind}}

    def sequence(name: str, kind: int) -> Json:
        return {"Sequence": {"id": name, "type_id": kind}}

    cls, sep = "[CLS]", "[SEP]"
    single = [special(cls, 0), sequence("A", 0), special(sep, 0)]
    json_file: Json = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": int(i), **token} for i, token in special_tokens().items()],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, sequence("B", 1), special(sep, 1)],
            "special_tokens": {
                name: {"id": name, "ids": [vocabulary.index(name)], "tokens": [name]}
                for name in (cls, sep)
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: i for i, word in enumerate(vocabulary)},
        },
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = json_file
        for parent in parents:
            place = place[parent]
        place[last] = value
    return json_file


class Grid:
    def __init__(self, vocabulary: list[str], bert: Path | None) -> None:
        self.vocabulary = vocabulary
        self.bert = bert
        self.lines = "".join(word + "\n" for word in vocabulary)

    def files(self, layout: str, config: Json | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        files: dict[str, Any] = dict(more)
        if layout in ("vocab.txt", "both"):
            files["vocab.txt"] = self.lines
        if layout in ("tokenizer.json", "both"):
            files.setdefault("tokenizer.json", tokenizer_json(self.vocabulary))
        if config is not None:
            files["tokenizer_config.json"] = {"tokenizer_class": "BertTokenizer", **config}
        return files

    def settings(self) -> Iterator[Setting]:
        yield from self.switches()
        yield from self.added_tokens()
        yield from self.lengths()
        yield from self.names()
        yield from self.new_tokens()
        yield from self.two_lists()
        yield from self.overruled()
        yield from self.backend()
        yield from self.original()

    def switches(self) -> Iterator[Setting]:
        absent = object()
        values = {
            "do_lower_case": (absent, True, False),
            "strip_accents": (absent, None, True, False),
            "tokenize_chinese_chars": (absent, True, False),
        }
        for layout in ("tokenizer.json", "vocab.txt", "both"):
            yield Setting(f"switches, {layout}", "no configuration", self.files(layout, None))
            for chosen in itertools.product(*values.values()):
                config = {
                    key: value
                    for key, value in zip(values, chosen, strict=True)
                    if value is not absent
                }
                yield Setting(
                    f"switches, {layout}",
                    json.dumps(config),
                    self.files(layout, config),
                    saves=layout == "both",
                )
        cased = tokenizer_json(
            self.vocabulary, normalizer__lowercase=False, normalizer__strip_accents=False
        )
        for config in (None, {}, {"do_lower_case": False}, {"strip_accents": True}):
            files = self.files("both", config, **{"tokenizer.json": cased})
            yield Setting("switches, cased tokenizer.json", str(config), files)

    def added_tokens(self) -> Iterator[Setting]:
        new = len(self.vocabulary)
        for number, values in enumerate(itertools.product((False, True), repeat=len(FLAGS))):
            flags = dict(zip(FLAGS, values, strict=True))
            name = "+".join(flag for flag, on in flags.items() if on) or "no flag"
            contents = ("covid19", "<Ä x>", "foo", "中文")
            tokens = {
                str(new + i if word not in self.vocabulary else self.vocabulary.index(word)):
                    added_token(word, **flags)
                for i, word in enumerate(w for w in (*contents[:2], contents[3], contents[2]))
            }  # fmt: skip
            # The white space a token takes is missing for these.
            tokens[str(new + 3)] = added_token(" the", normalized=True)
            tokens[str(new + 4)] = added_token("the ", normalized=True)
            sown = (*contents, "covid19 the ", " the foo", " the covid19  the ")
            decoder = {**special_tokens(), **tokens}
            config = {"do_lower_case": number % 3 != 0, "added_tokens_decoder": decoder}
            for layout in ("vocab.txt", "tokenizer.json"):
                yield Setting(
                    f"added tokens, decoder beside {layout}", name, self.files(layout, config),
                    added=sown, saves=True,
                )  # fmt: skip
            listed = [{"id": i, **decoder[str(i)]} for i in sorted(map(int, decoder))]
            own = tokenizer_json(self.vocabulary, added_tokens=listed)
            yield Setting(
                "added tokens, tokenizer.json", name,
                self.files("both", {"do_lower_case": number % 2 == 0}, **{"tokenizer.json": own}),
                added=sown, saves=True,
            )  # fmt: skip
            yield Setting(
                "added tokens, PreTrainedTokenizerFast", name,
                self.files("tokenizer.json", {"tokenizer_class": "PreTrainedTokenizerFast"},
                           **{"tokenizer.json": own}),
                added=sown, saves=True,
            )  # fmt: skip
            overlapping = [
                added_token("covid19", **flags),
                added_token("19", lstrip=True, single_word=True),
                added_token("d19 b", normalized=True, single_word=True),
                added_token("!!", normalized=True, lstrip=True, rstrip=True),
            ]
            mixed = special_tokens() | {str(new + i): t for i, t in enumerate(overlapping)}
            yield Setting(
                "added tokens that overlap", name,
                self.files("vocab.txt", {"added_tokens_decoder": mixed}),
                added=("covid19", "19", "d19 b", "!!", "covid19 b"), saves=True,
            )  # fmt: skip
        tokens = {"covid19": new, "Zürich": new + 1, "<x>": new + 2}
        for lower in (True, False):
            for layout in ("vocab.txt", "tokenizer.json", "both"):
                yield Setting(
                    "added tokens, added_tokens.json", f"{layout}, do_lower_case {lower}",
                    self.files(layout, {"do_lower_case": lower, "extra_special_tokens": ["<x>"]},
                               **{"added_tokens.json": tokens}),
                    added=tuple(tokens), saves=True,
                )  # fmt: skip

    def lengths(self) -> Iterator[Setting]:
        for side, pairs in itertools.product((None, "right", "left"), (False, True)):
            config = {} if side is None else {"truncation_side": side}
            for length in (3, 4, 5, 16, 63, POSITIONS):
                yield Setting(
                    "truncation and pairs", f"{side}, {'pairs, ' if pairs else ''}{length}",
                    self.files("both", config), max_length=length, pairs=pairs, saves=length == 16,
                )  # fmt: skip
        saved = tokenizer_json(
            self.vocabulary,
            truncation={"direction": "Left", "max_length": 7, "strategy": "LongestFirst", "stride": 0},
            padding={"strategy": {"Fixed": 40}, "direction": "Left", "pad_to_multiple_of": 8,
                     "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
        )  # fmt: skip
        for config in ({}, {"truncation_side": "right"}):
            for pairs in (False, True):
                yield Setting(
                    "saved padding and truncation", f"{config}, pairs {pairs}",
                    self.files("tokenizer.json", config, **{"tokenizer.json": saved}),
                    max_length=20, pairs=pairs, saves=True,
                )  # fmt: skip
        for length in (5, 30, 1000000000000000019884624838656):
            yield Setting("model_max_length", str(length),
                          self.files("both", {"model_max_length": length}), saves=True)  # fmt: skip

    def names(self) -> Iterator[Setting]:
        """Special tokens by other names, in every place that can name them."""
        names = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
        roles = dict(
            zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), names, strict=True)
        )
        vocabulary = [*names, *self.vocabulary[5:]]
        lines = "".join(word + "\n" for word in vocabulary)
        objects = {role: {"__type": "AddedToken", **added_token(name, lstrip=True, special=True)}
                   for role, name in roles.items()}  # fmt: skip
        plain = {role: {k: v for k, v in added_token(name, rstrip=True).items() if k != "special"}
                 for role, name in roles.items()}  # fmt: skip
        for where, files in {
            "tokenizer_config.json": {"tokenizer_config.json": roles},
            "tokenizer_config.json, objects": {"tokenizer_config.json": objects},
            "special_tokens_map.json": {"special_tokens_map.json": roles},
            "special_tokens_map.json, objects": {"special_tokens_map.json": plain},
            "both, the map wins": {"tokenizer_config.json": dict.fromkeys(roles, "a"),
                                   "special_tokens_map.json": roles},
            "both, the decoder decides": {
                "tokenizer_config.json": {**roles, "added_tokens_decoder": special_tokens(names)},
                "special_tokens_map.json": dict.fromkeys(roles, "a")},
        }.items():  # fmt: skip
            for pairs in (False, True):
                yield Setting("names of special tokens", where,
                              {"vocab.txt": lines, "tokenizer_config.json": {}, **files},
                              pairs=pairs, added=names, saves=True)  # fmt: skip
        extras = {
            "additional_special_tokens": {"additional_special_tokens": ["<x>", "foo"]},
            "extra_special_tokens": {"extra_special_tokens": ["<x>", "foo"]},
            "extra_special_tokens, objects": {"extra_special_tokens": [
                {"__type": "AddedToken", **added_token("<x>", lstrip=True, normalized=True)}]},
            "extra_special_tokens, named": {"extra_special_tokens": {"x_token": "<x>"}},
            "other roles": {"bos_token": "<x>", "eos_token": "[SEP]", "y_token": "foo"},
            "split_special_tokens": {"split_special_tokens": True,
                                     "extra_special_tokens": ["<x>", "foo"]},
            "no mask": {"mask_token": None},
        }  # fmt: skip
        for where, config in extras.items():
            for layout in ("vocab.txt", "both"):
                yield Setting("other special tokens", f"{where}, {layout}",
                              self.files(layout, config), added=("<x>", "foo", *SPECIAL[2:]),
                              saves=True)  # fmt: skip
        yield Setting("other special tokens", "additional, special_tokens_map.json",
                      self.files("vocab.txt", {}, **{"special_tokens_map.json": {
                          "additional_special_tokens": ["<x>", "foo"], "cls_token": "[CLS]"}}),
                      added=("<x>", "foo"), saves=True)  # fmt: skip

    def new_tokens(self) -> Iterator[Setting]:
        """Tokens that the vocabulary lacks: which id each of them gets."""
        named = {"z": "<x>", "b": "<y>"}
        suffixed = {"z_token": "<x>", "b_token": "<y>"}
        configs: dict[str, Json] = {
            "by suffix": suffixed,
            "extra_special_tokens": {"extra_special_tokens": named},
            "additional_special_tokens": {"additional_special_tokens": named},
            "model_specific_special_tokens": {"model_specific_special_tokens": named},
            "by suffix and extra": {"z_token": "<y>", "extra_special_tokens": {"a": "<x>"}},
            "dict and list": {"extra_special_tokens": {"a": "<x>"},
                              "additional_special_tokens": ["<y>"]},
            "mask and pad": {"mask_token": "<x>", "pad_token": "<y>",
                             "extra_special_tokens": ["<z>"]},
            "all roles": {"mask_token": "<m>", "eos_token": "<y>", "pad_token": "<p>",
                          "extra_special_tokens": ["<x>"], "bos_token": "<z>"},
        }  # fmt: skip
        sown = ("<x>", "<y>", "<z>", "<m>", "<p>", "[MASK]", "[PAD]")
        for lacking in ((), ("[MASK]",), ("[PAD]", "[MASK]")):
            words = [word for word in self.vocabulary if word not in lacking]
            lines = "".join(word + "\n" for word in words)
            for name, config in configs.items():
                yield Setting("tokens that are new", f"{name}, without {lacking}",
                              {"vocab.txt": lines, "tokenizer_config.json": config},
                              added=sown, saves=True)  # fmt: skip
        maps: dict[str, Json] = {
            "by suffix": suffixed,
            "extra_special_tokens": {"extra_special_tokens": named},
            "roles": {"eos_token": "<x>", "bos_token": "<y>", "additional_special_tokens": ["<z>"]},
        }
        for (name, map_file), config in itertools.product(
            maps.items(), ({}, {"c_token": "<m>"}, {"extra_special_tokens": {"c": "<m>"}})
        ):
            yield Setting("tokens that are new", f"special_tokens_map.json, {name}, {config}",
                          self.files("vocab.txt", config, **{"special_tokens_map.json": map_file}),
                          added=sown, saves=True)  # fmt: skip

    def two_lists(self) -> Iterator[Setting]:
        """Tokens that tokenizer.json and added_tokens.json both list."""
        new = len(self.vocabulary)
        for number, values in enumerate(itertools.product((False, True), repeat=len(FLAGS))):
            flags = dict(zip(FLAGS, values, strict=True))
            name = "+".join(flag for flag, on in flags.items() if on) or "no flag"
            own = tokenizer_json(self.vocabulary)
            own["added_tokens"].append({"id": new, **added_token("<Ä x>", **flags)})
            lists = {"<Ä x>": new, "covid19": new + 1, "[MASK]": 4}
            classes = ("BertTokenizer", "PreTrainedTokenizerFast")
            yield Setting(
                "tokenizer.json and added_tokens.json", f"{name}, {classes[number % 2]}",
                self.files("tokenizer.json", {"tokenizer_class": classes[number % 2]},
                           **{"tokenizer.json": own, "added_tokens.json": lists}),
                added=(*lists, "[mask]"), saves=True,
            )  # fmt: skip
        yield Setting("tokenizer.json and added_tokens.json", "added_tokens.json with a role",
                      self.files("vocab.txt", {}, **{"added_tokens.json": {"[MASK]": 4}}),
                      added=("[MASK]", "[mask]"), saves=True)  # fmt: skip

    def overruled(self) -> Iterator[Setting]:
        """Sections of tokenizer.json that a BertTokenizer makes itself."""
        normalizer = tokenizer_json(self.vocabulary)["normalizer"]
        sections: dict[str, Json] = {
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, normalizer]},
            "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": {"type": "RobertaProcessing", "sep": ["[SEP]", 3],
                               "cls": ["[CLS]", 2], "trim_offsets": True,
                               "add_prefix_space": False},
        }  # fmt: skip
        for (name, section), pairs in itertools.product(sections.items(), (False, True)):
            changed = tokenizer_json(self.vocabulary, **{name: section})
            yield Setting("sections that are overruled", f"{name}, pairs {pairs}",
                          self.files("tokenizer.json", {}, **{"tokenizer.json": changed}),
                          pairs=pairs, saves=True)  # fmt: skip

    def backend(self) -> Iterator[Setting]:
        """tokenizer.json taken as it is."""
        types = ["input_ids", "token_type_ids", "attention_mask"]
        bert_processing = {"type": "BertProcessing",
                           "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}  # fmt: skip
        swapped = tokenizer_json(self.vocabulary)["post_processor"]
        swapped["pair"] = [swapped["pair"][i] for i in (4, 3, 0, 1)]
        changes: dict[str, Json] = {
            "as BertTokenizer": {},
            "no normalizer": {"normalizer": None},
            "no post_processor": {"post_processor": None},
            "BertProcessing": {"post_processor": bert_processing},
            "pair the other way round": {"post_processor": swapped},
            "clean_text false": {"normalizer__clean_text": False},
            "lowercase false": {"normalizer__lowercase": False},
            "lowercase false, strip_accents true": {
                "normalizer__lowercase": False, "normalizer__strip_accents": True},
            "handle_chinese_chars false": {"normalizer__handle_chinese_chars": False},
            "words of 7 characters": {"model__max_input_chars_per_word": 7},
            "prefix of one letter": {"model__continuing_subword_prefix": "b"},
        }  # fmt: skip
        for (name, change), pairs, inputs in itertools.product(
            changes.items(), (False, True), (None, types)
        ):
            config: Json = {"tokenizer_class": "PreTrainedTokenizerFast"}
            if inputs is not None:
                config["model_input_names"] = inputs
            files = self.files(
                "tokenizer.json", config,
                **{"tokenizer.json": tokenizer_json(self.vocabulary, **change)},
            )  # fmt: skip
            yield Setting("PreTrainedTokenizerFast", name, files, pairs=pairs, max_length=40,
                          saves=inputs is not None)  # fmt: skip

    def original(self) -> Iterator[Setting]:
        if self.bert is None:
            return
        names = ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
        files = {name: (self.bert / name).read_text(encoding="utf-8") for name in names}
        for pairs in (False, True):
            for length in (None, 128):
                yield Setting("bert-base-uncased", f"{length}", files, max_length=length,
                              pairs=pairs, saves=True)  # fmt: skip
        vocabulary = {k: v for k, v in files.items() if k != "tokenizer.json"}
        yield Setting("bert-base-uncased", "vocab.txt", vocabulary)


# --- Comparing -----------------------------------------------------------------------------------


class Checker:
    def __init__(self, hone: Path, work: Path) -> None:
        self.hone = hone
        self.work = work

    def check(self, setting: Setting, texts: list[str]) -> Outcome:
        folder = self.work / "tokenizer"
        self.write(folder, setting)
        pairs = None
        if setting.pairs:
            # Of two texts tokenizers makes all pairs of the pieces that overflow: gigabytes where
            # long texts are cut to a few tokens.
            if setting.max_length is not None and setting.max_length < 40:
                texts = [text[:60] for text in texts]
            half = len(texts) // 2
            pairs = texts[half:] + texts[:half]
        outcome = Outcome()
        theirs = self.transformers(folder, texts, pairs, setting.max_length)
        self.compare(outcome, "hone", theirs, self.ids(folder, texts, pairs, setting), texts)
        if setting.saves:
            saved = self.save(folder)
            again = self.transformers(saved, texts, pairs, setting.max_length)
            self.compare(outcome, "saved by hone, in transformers", theirs, again, texts)
            ours = self.ids(saved, texts, pairs, setting)
            self.compare(outcome, "saved by hone, in hone", theirs, ours, texts)
        return outcome

    def write(self, folder: Path, setting: Setting) -> None:
        folder.mkdir(exist_ok=True)
        for file in folder.iterdir():
            file.unlink()
        files = {
            "config.json": {"model_type": "bert", "max_position_embeddings": POSITIONS},
            **setting.files,
        }
        for name, content in files.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / name).write_text(text, encoding="utf-8")

    def transformers(
        self, folder: Path, texts: list[str], pairs: list[str] | None, length: int | None
    ) -> list[tuple[list[int], list[int]]]:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        length = length or min(POSITIONS, tokenizer.model_max_length)
        made = tokenizer(texts, pairs, truncation=True, max_length=length)
        ids = made["input_ids"]
        # A model that is given no types takes 0 for all.
        types = made.get("token_type_ids") or [[0] * len(sample) for sample in ids]
        return list(zip(ids, types, strict=True))

    def ids(
        self, folder: Path, texts: list[str], pairs: list[str] | None, setting: Setting
    ) -> list[tuple[list[int], list[int]]]:
        source, target = self.work / "texts.jsonl", self.work / "ids.jsonl"
        with source.open("w", encoding="utf-8") as out:
            for i, text in enumerate(texts):
                row = {"text": text} if pairs is None else {"text": text, "text_pair": pairs[i]}
                out.write(json.dumps(row) + "\n")
        command = ["tokenize", folder, "--input", source, "--output", target]
        if setting.max_length is not None:
            command += ["--max-length", setting.max_length]
        self.run(*command)
        samples = [json.loads(line) for line in target.read_text().splitlines()]
        return [
            (sample["ids"], sample.get("token_type_ids", [0] * len(sample["ids"])))
            for sample in samples
        ]

    def save(self, folder: Path) -> Path:
        """What a checkpoint of a training run with this tokenizer holds."""
        out = self.work / "saved"
        data = self.work / "data.csv"
        data.write_text("text,label\n" + "a good film,1\na bad film,0\n" * 4)
        self.run("train", "bert-tiny", "--tokenizer", folder, "--data", f"csv:{data}", "--out", out,
                 "--overwrite", "--epochs", 1, "--threads", 1, "--set", "hidden_size=32",
                 "--set", "num_hidden_layers=1", "--set", "num_attention_heads=2",
                 "--set", "intermediate_size=32", "--set", "validation=0")  # fmt: skip
        return out

    def run(self, *words: Any) -> None:  # noqa: ANN401
        done = subprocess.run(
            [str(self.hone), *map(str, words)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"hone {' '.join(map(str, words))}:\n{done.stderr}")

    def compare(
        self,
        outcome: Outcome,
        what: str,
        theirs: list[tuple[list[int], list[int]]],
        ours: list[tuple[list[int], list[int]]],
        texts: list[str],
    ) -> None:
        assert len(theirs) == len(ours) == len(texts)
        for text, their, our in zip(texts, theirs, ours, strict=True):
            outcome.texts += 1
            if their == our:
                continue
            outcome.wrong += 1
            if len(outcome.examples) < 2:
                outcome.examples.append(
                    f"{what}: {text[:120]!r}\n    transformers {their}\n    hone         {our}"[:900]
                )


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--hone", type=Path, default=ROOT / "build/release/hone")
    add("--shared", type=Path, default=os.environ.get("HONE_SHARED"), metavar="DIR")
    add("--texts", type=int, default=2000, help="texts a setting (default 2000)")
    add("--seed", type=int, default=0)
    add("--only", default="", help="settings whose group has this in its name")
    options = parser.parse_args(arguments)
    if options.shared is None or not (options.shared / "data").is_dir():
        parser.error("no data: give --shared DIR or set HONE_SHARED")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    data = options.shared.resolve() / "data"
    reviews = read_reviews(data / "imdb/aclImdb_v1_labeled.tar.gz", "train").texts[::25]
    vocabulary = small_vocabulary(reviews)
    grid = Grid(vocabulary, data / "bert-base-uncased")
    maker = Texts(vocabulary, reviews, options.seed)
    groups: dict[str, list[int]] = {}
    started = time.time()
    with tempfile.TemporaryDirectory() as work:
        os.environ["HONE_CACHE"] = work + "/cache"
        checker = Checker(options.hone.resolve(), Path(work))
        for setting in grid.settings():
            if options.only not in setting.group:
                continue
            texts = maker.make(options.texts, setting.added)
            try:
                outcome = checker.check(setting, texts)
            except RuntimeError as error:
                outcome = Outcome(len(texts), len(texts), [str(error)])
            sums = groups.setdefault(setting.group, [0, 0, 0])
            for i, count in enumerate((1, outcome.texts, outcome.wrong)):
                sums[i] += count
            for example in outcome.examples:
                print(f"FAIL {setting.group}: {setting.name}: {example}", flush=True)
    print(f"| {'settings':<42} | number | texts compared | different |")
    print(f"| {'-' * 42} | -----: | -------------: | --------: |")
    groups["all"] = [sum(column) for column in zip(*groups.values(), strict=True)]
    for group, (settings, compared, wrong) in groups.items():
        print(f"| {group:<42} | {settings:>6} | {compared:>14,} | {wrong:>9,} |")
    print(f"{time.time() - started:.0f} s, seed {options.seed}")
    return 1 if groups["all"][2] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
