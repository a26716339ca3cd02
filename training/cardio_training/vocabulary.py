"""Learn one vocabulary for the three languages from the recipe's texts, weighted.

Contract
- A word is what stands between white space and punctuation, as in BERT, so words of serving and of learning agree.
- Every character survives. In `wordpiece` a rare character is a word of its own: a piece where the texts have it often
  enough, else one [UNK] that leaves its neighbours readable. `unigram` spells it in UTF-8 bytes (256 pieces).
- Control characters separate words. Nothing is deleted but what formats text (soft hyphens, zero-width spaces, marks of
  direction: PDFs and web pages leave them within words), as in BERT, and accents where the recipe says so.
Unigram: Kudo 2018 (arXiv 1804.10959), byte fallback as in SentencePiece; WordPiece: Schuster & Nakajima 2012. Both
from Hugging Face tokenizers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from cardio_training.pretraining_recipe import VocabularyRecipe

SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
WORD_START = "▁"
CONTINUATION = "##"
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
ALPHABET = tuple(c for c in map(chr, [*range(0x21, 0x250), *range(0x370, 0x400)]) if c.isprintable())
"""Latin and Greek letters and signs, which records may hold even where the texts lack them."""
LONGEST_PIECE = 20
LONGEST_WORD = 100_000
"""Characters; WordPiece would answer [UNK] for a longer word."""


def learn_vocabulary(
    texts: Callable[[], Iterable[str]], recipe: VocabularyRecipe, *, characters_of: Callable[[], Iterable[str]]
) -> PreTrainedTokenizerFast:
    """Learn pieces from `texts`, characters from `characters_of`; the tokenizer has BERT's special pieces."""
    normalizer = _normalizer(recipe)
    counts = count_characters(characters_of(), normalizer)
    common = frozenset(c for c, count in counts.items() if count >= recipe.common_character)
    seen = {c for c, count in counts.items() if count >= recipe.rare_character}
    rare = sorted((seen | {c for c in ALPHABET if normalizer.normalize_str(c) == c}) - common)
    learn = _learn_unigram if recipe.kind == "unigram" else _learn_wordpiece
    tokenizer = learn(_only(texts(), normalizer, common), recipe.pieces, common, rare)
    tokenizer.normalizer = normalizer
    vocabulary = tokenizer.get_vocab()
    cls, sep = SPECIAL["cls"], SPECIAL["sep"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(piece, vocabulary[piece]) for piece in (cls, sep)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f"{name}_token": piece for name, piece in SPECIAL.items()}
    )


def model_kind(tokenizer: PreTrainedTokenizerFast) -> str:
    """The kind of model that tokenizer.json names: WordPiece, Unigram, BPE…"""
    kind: str = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["type"]
    return kind


def piece_text(piece: str, kind: str) -> tuple[str, bool] | None:
    """(what a piece stands for, does it begin a word?); None for special pieces and bytes, which stand for no text.

    `kind` is that of tokenizer.json: WordPiece or Unigram.
    """
    if piece in SPECIAL.values() or piece in BYTES:
        return None
    if kind == "WordPiece":
        return piece.removeprefix(CONTINUATION), not piece.startswith(CONTINUATION)
    return piece.removeprefix(WORD_START), piece.startswith(WORD_START)


def count_characters(texts: Iterable[str], normalizer: normalizers.Normalizer) -> Counter[str]:
    """How often each character occurs, as the normalizer leaves it; white space aside."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    return Counter({c: count for c, count in counts.items() if not c.isspace()})


def _normalizer(recipe: VocabularyRecipe) -> normalizers.Normalizer:
    replaced = ((r"\p{Cf}", ""), (r"\p{Cc}", " "))
    steps: list[normalizers.Normalizer] = [normalizers.Replace(Regex(its), by) for its, by in replaced]
    steps += [normalizers.NFD(), normalizers.StripAccents()] if recipe.strip_accents else [normalizers.NFC()]
    if recipe.lowercase:
        steps.append(normalizers.Lowercase())
    return normalizers.Sequence(steps)


def _only(texts: Iterable[str], normalizer: normalizers.Normalizer, characters: frozenset[str]) -> Iterator[str]:
    """The texts, normalised, with a space for each rare character: it must not take a piece."""
    table = _Blanks({ord(c): c for c in characters})
    for text in texts:
        yield normalizer.normalize_str(text).translate(table)


class _Blanks(dict[int, str]):
    """A table for str.translate that has a space for what it lacks."""

    def __missing__(self, key: int) -> str:
        return " "


def _learn_unigram(texts: Iterable[str], pieces: int, _common: frozenset[str], _rare: Sequence[str]) -> Tokenizer:
    """Pieces with their log-probabilities, then the bytes, as improbable as the least of them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Metaspace(replacement=WORD_START, prepend_scheme="always")]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=pieces - len(BYTES),
        special_tokens=list(SPECIAL.values()),
        unk_token=SPECIAL["unk"],
        max_piece_length=LONGEST_PIECE,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    spec = json.loads(tokenizer.to_str())["model"]
    least = min(score for _, score in spec["vocab"])
    vocabulary = [(piece, score) for piece, score in spec["vocab"]] + [(byte, least) for byte in BYTES]
    tokenizer.model = models.Unigram(vocabulary, unk_id=spec["unk_id"], byte_fallback=True)
    return tokenizer


def _learn_wordpiece(texts: Iterable[str], pieces: int, common: frozenset[str], rare: Sequence[str]) -> Tokenizer:
    """Pieces, then the rare characters; these are always words of their own, so they need no second form."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk"]))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=pieces - len(rare),
        # Pieces of equal count are merged in the order of their ids, and only these ids do not follow a hash table's
        # order: named here, the same texts give the same vocabulary.
        special_tokens=[*SPECIAL.values(), *(CONTINUATION + character for character in sorted(common))],
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    learnt = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    vocabulary = {piece: row for row, piece in enumerate([*(piece for piece, _ in learnt), *rare])}
    model = models.WordPiece(vocabulary, unk_token=SPECIAL["unk"], max_input_chars_per_word=LONGEST_WORD)
    tokenizer = Tokenizer(model)
    known = "".join(rf"\x{{{ord(character):X}}}" for character in sorted(common))
    alone = pre_tokenizers.Split(Regex(f"[^{known}]"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), alone])
    return tokenizer
