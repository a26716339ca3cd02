"""Which documents a run learns, how often, and which it holds out.

Contract: the held-out fold holds the same documents in every language, so no translation of one is ever learnt. Weights
say how often an epoch reads a document; 0 leaves the train folders out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cardio_ner.corpus.multicardioner import LanguageCorpus
from cardio_ner.document import Document
from cardio_ner.errors import ConfigError
from cardio_ner.tokenization import DocumentTokenizer
from cardio_training.dataset import EncodingReport, Example, make_examples
from cardio_training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Split:
    """One language: `train` of distemist and drugtemist (all specialities), `cardioccc` to learn, and held out."""

    corpus: LanguageCorpus
    train: tuple[Document, ...]
    cardioccc: tuple[Document, ...]
    held_out: tuple[Document, ...]

    @classmethod
    def of(cls, corpus: LanguageCorpus, recipe: Recipe) -> Split:
        """The documents as the recipe asks."""
        train = corpus.train if recipe.train_weight else ()
        if recipe.held_out_fold is None:
            return cls(corpus, train, corpus.dev, ())
        learnt, held_out = corpus.fold(recipe.held_out_fold)
        return cls(corpus, train, learnt[len(corpus.train) :], held_out)

    @property
    def learnt(self) -> tuple[Document, ...]:
        """All documents to learn, each once."""
        return self.train + self.cardioccc


def examples_of(
    recipe: Recipe, splits: Sequence[Split], tokenizer: DocumentTokenizer, report: EncodingReport
) -> list[Example]:
    """The windows of an epoch; `report` counts each document's mentions once."""
    examples: list[Example] = []
    for split in splits:
        for documents, weight in ((split.train, recipe.train_weight), (split.cardioccc, recipe.cardioccc_weight)):
            windows = make_examples(
                documents,
                annotated=split.corpus.annotated,
                scheme=recipe.scheme,
                tokenizer=tokenizer,
                window_tokens=recipe.window_tokens,
                overlap_tokens=recipe.training_overlap_tokens,
                report=report,
            )
            examples += windows * weight
    return examples


def check_annotated(recipe: Recipe, splits: Sequence[Split]) -> None:
    """Raise ConfigError for a label group that nothing of the recipe can teach: nobody annotated its types, and no
    teacher labels them."""
    if recipe.teachers or not recipe.epochs:
        return
    for group in recipe.scheme.groups:
        if not any(split.corpus.annotated.issuperset(group.entity_types) for split in splits):
            known = sorted({name for split in splits for name in split.corpus.annotated})
            raise ConfigError(
                f"label_groups: no corpus of {', '.join(recipe.languages)} annotates {'+'.join(group.entity_types)}: "
                f"expected types of {', '.join(known)}; mend the group, or add a language that has it"
            )


def check_documents(recipe: Recipe, splits: Sequence[Split]) -> None:
    """Raise ConfigError where the fold holds nothing out that could be scored, or leaves nothing to learn."""
    languages = ", ".join(recipe.languages)
    if recipe.held_out_fold is not None and not any(split.held_out for split in splits):
        raise ConfigError(
            f"held_out_fold {recipe.held_out_fold}: it has no document in {languages}: expected some to score on; name "
            "another fold, or null to train unscored"
        )
    if recipe.epochs and not any(document.text.strip() for split in splits for document in split.learnt):
        raise ConfigError(
            f"languages {languages}: no document with a text is left to learn from: expected some in cardioccc_dev "
            "beside the held-out fold, or a train_weight above 0"
        )
