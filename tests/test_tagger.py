"""The tagger, on tiny random models: same spans whatever the batching, exact offsets, any length."""

import dataclasses
import pickle
import sys
import threading
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoModelForTokenClassification

from awkward_texts import awkward_texts
from cardio_ner import tagger as tagger_module
from cardio_ner.budget import TOKENS_PER_BATCH
from cardio_ner.checkpoint import Checkpoint, packaged_model
from cardio_ner.decoding import decode
from cardio_ner.document import Document
from cardio_ner.encoder import Encoder
from cardio_ner.errors import CheckpointError, DeviceError, DeviceLostError
from cardio_ner.tagger import LOOK_AHEAD_CHARS, Tagger
from cardio_ner.tokenization import DocumentTokenizer
from cardio_ner.windows import cut_windows
from tiny_models import CLINICAL_TEXT

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tagger(two_group_checkpoint: Path) -> Tagger:
    return Tagger.load(two_group_checkpoint, device="cpu", precision="fp32")


def doc(text: str, name: str = "a") -> Document:
    return Document(name, "es", text)


def with_budget(tagger: Tagger, max_tokens_per_batch: int) -> Tagger:
    return dataclasses.replace(tagger, max_tokens_per_batch=max_tokens_per_batch)


def scored(document: Document) -> list[tuple[int, int, str, float]]:
    """The spans with their scores, which equality leaves out."""
    assert all(span.score is not None for span in document.spans)
    return [(s.start, s.end, s.entity_type, pytest.approx(s.score, abs=1e-4)) for s in document.spans]


def test_documents_keep_their_order_their_ids_and_their_texts(tagger: Tagger) -> None:
    documents = [doc(CLINICAL_TEXT[: 7 * n], f"d{n}") for n in (9, 0, 3, 20, 1, 14)]
    tagged = list(tagger.tag(documents))
    assert [(d.doc_id, d.language, d.text) for d in tagged] == [(d.doc_id, d.language, d.text) for d in documents]
    assert sum(len(d.spans) for d in tagged) > 10


def test_both_groups_find_mentions_and_some_overlap(tagger: Tagger) -> None:
    (found,) = tagger.tag([doc(CLINICAL_TEXT)])
    assert {span.entity_type for span in found.spans} == {"DISEASE", "MEDICATION"}
    assert any(left.end > right.start for left, right in pairwise(found.spans))
    for name in ("DISEASE", "MEDICATION"):
        of_type = [span for span in found.spans if span.entity_type == name]
        assert all(left.end <= right.start for left, right in pairwise(of_type))


def test_singly_together_and_in_any_batch_size_the_spans_are_the_same(tagger: Tagger) -> None:
    documents = [doc(CLINICAL_TEXT * n + CLINICAL_TEXT[: 11 * n], f"d{n}") for n in range(5)]
    together = [scored(d) for d in tagger.tag(documents)]
    assert [scored(d) for d in with_budget(tagger, 1).tag(documents)] == together
    assert [scored(d) for d in with_budget(tagger, 100).tag(documents)] == together
    assert [scored(d) for one in documents for d in tagger.tag([one])] == together
    assert [scored(d) for d in tagger.tag(reversed(documents))] == together[::-1]


def test_the_spans_are_those_of_the_plain_model_on_each_tokens_window(
    tagger: Tagger, two_group_checkpoint: Path
) -> None:
    text = CLINICAL_TEXT * 2
    tokens = tagger.encoder.tokenizer([text])[0]
    model = AutoModelForTokenClassification.from_pretrained(two_group_checkpoint).eval()
    wrapping = tagger.encoder.tokenizer
    logits = np.full((len(tokens), 6), np.nan, dtype=np.float32)
    for w in cut_windows(len(tokens), window_tokens=22, overlap_tokens=8):
        ids = [*wrapping.prefix_ids, *tokens.ids[w.start : w.end].tolist(), *wrapping.suffix_ids]
        with torch.inference_mode():
            of_window = model(input_ids=torch.tensor([ids])).logits[0, 1:-1].numpy()
        logits[w.keep_start : w.keep_end] = of_window[w.keep_start - w.start : w.keep_end - w.start]
    scheme = tagger.encoder.scheme
    logp = torch.cat([torch.from_numpy(logits[:, columns]).log_softmax(-1) for columns in scheme.slices], dim=1)
    tags, _ = decode(logp, scheme, [len(tokens)])
    expected = scheme.decode(tags, tokens.starts, tokens.ends)
    assert len(tokens) > 3 * 22
    (found,) = tagger.tag([doc(text)])
    assert list(found.spans) == expected


def test_a_long_document_goes_through_in_bounded_batches(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (CLINICAL_TEXT + "\r\n") * (300_000 // len(CLINICAL_TEXT))
    tagger = dataclasses.replace(tagger, window_tokens=128, overlap_tokens=32)
    costs: list[int] = []
    plain = Encoder.launch

    def watched(self: Encoder, rows: list[np.ndarray], wanted: list[np.ndarray]) -> torch.Tensor:
        costs.append(sum(len(row) + 2 for row in rows))
        return plain(self, rows, wanted)

    monkeypatch.setattr(Encoder, "launch", watched)
    (small,) = with_budget(tagger, 512).tag_counted([doc(text)])
    assert max(costs) <= 512
    (large,) = with_budget(tagger, 8192).tag_counted([doc(text)])
    assert 512 < max(costs) <= 8192
    assert small.document.spans == large.document.spans
    assert small.n_tokens == len(tagger.encoder.tokenizer([text])[0])
    assert small.document.spans[-1].end > len(text) - len(CLINICAL_TEXT)
    assert len({span.start // 10_000 for span in small.document.spans}) == len(text) // 10_000 + 1


def give_it_memory_for(monkeypatch: pytest.MonkeyPatch, n_rows: int) -> list[int]:
    """An encoder that runs out of memory above that many rows; returns the rows of every call."""
    calls: list[int] = []
    plain = Encoder.launch

    def bounded(self: Encoder, rows: list[np.ndarray], wanted: list[np.ndarray]) -> torch.Tensor:
        calls.append(len(rows))
        if len(rows) > n_rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, rows, wanted)

    monkeypatch.setattr(Encoder, "launch", bounded)
    return calls


@pytest.mark.parametrize("n_rows", [100, 50, 23])
def test_a_device_that_runs_out_of_memory_gets_smaller_batches_and_the_spans_are_the_same(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch, n_rows: int
) -> None:
    documents = [doc(CLINICAL_TEXT * n + CLINICAL_TEXT[: 9 * n], f"d{n}") for n in (40, 2, 0, 17, 1)]
    expected = [scored(d) for d in tagger.tag(documents)]
    calls = give_it_memory_for(monkeypatch, n_rows)
    assert [scored(d) for d in tagger.tag(documents)] == expected
    too_many = [n for n in calls if n > n_rows]
    assert 1 <= len(too_many) <= 3, "the smaller budget holds until the texts at hand are done"


def test_a_device_without_memory_for_the_smallest_batch_is_given_up(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_it_memory_for(monkeypatch, 0)
    with pytest.raises(DeviceError, match=r"on a batch of \d+ tokens, \d+ rows of 24 at most: expected room") as caught:
        list(tagger.tag([doc(CLINICAL_TEXT * 40)]))
    assert "Paciente" not in str(caught.value)


def test_a_device_without_room_for_logits_or_for_decoding_leaves_that_to_the_cpu(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [doc(CLINICAL_TEXT * n, f"d{n}") for n in (3, 0, 1)]
    expected = [scored(d) for d in tagger.tag(documents)]
    asked: list[str] = []
    empty, cpu = torch.empty, torch.Tensor.cpu

    def no_room(*shape: int, **named: object) -> torch.Tensor:
        if sys._getframe(1).f_globals["__name__"] != "cardio_ner.tagger":
            return empty(*shape, **named)
        asked.append(f"empty on {named.get('device', 'the default')}")
        if "device" in named:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return empty(*shape)

    def no_room_to_decode(logp_UK: torch.Tensor, *others: object) -> object:
        asked.append("decode")
        if asked[-2:] != ["moved", "decode"]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(logp_UK, *others)

    def moved(self: torch.Tensor) -> torch.Tensor:
        if sys._getframe(1).f_globals["__name__"] == "cardio_ner.tagger":
            asked.append("moved")
        return cpu(self)

    monkeypatch.setattr(torch, "empty", no_room)
    monkeypatch.setattr(torch.Tensor, "cpu", moved)
    monkeypatch.setattr(tagger_module, "decode", no_room_to_decode)
    assert [scored(d) for d in tagger.tag(documents)] == expected
    assert asked == ["empty on cpu", "empty on the default", "decode", "moved", "decode"]


def test_logits_that_a_device_cannot_put_in_their_places_are_moved_to_the_cpu(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [doc(CLINICAL_TEXT * n, f"d{n}") for n in (3, 1)]
    expected = [scored(d) for d in tagger.tag(documents)]
    calls = 0

    def no_room(array: np.ndarray, device: torch.device) -> torch.Tensor:
        nonlocal calls
        calls += 1
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(tagger_module, "upload", no_room)
    assert [scored(d) for d in with_budget(tagger, 100).tag(documents)] == expected
    assert calls > 1


def test_a_gpu_lost_before_the_first_batch_is_no_documents_fault(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(tagger_module, "_room", lost)
    with pytest.raises(DeviceLostError, match="expected the GPU to compute"):
        list(tagger.tag([doc(CLINICAL_TEXT)]))


@pytest.mark.parametrize("text", ["", " ", "\r\n\t", "\u200b", "\ufeff", "\x00"])
def test_a_text_without_anything_to_read_has_no_mention(tagger: Tagger, text: str) -> None:
    (tagged,) = tagger.tag_counted([doc(text)])
    assert tagged.n_tokens == 0
    assert tagged.document == doc(text)


@pytest.mark.parametrize(
    ("language", "text", "found"),
    [
        ("es", "\ufeffToma bi\u00adsoprolol 5 mg, \u200bapixaban.", ["bi\u00adsoprolol", "apixaban"]),
        ("en", "On biso\u00adprolol 5 mg and war\u200bfarin.", ["biso\u00adprolol", "war\u200bfarin"]),
        ("it", "Terapia con biso\u2060prololo e apixaban\u200b.", ["biso\u2060prololo", "apixaban"]),
    ],
)
def test_what_pdfs_and_web_pages_leave_within_words_hides_no_mention(
    language: str, text: str, found: list[str]
) -> None:
    note = Document("1", language, text)
    spans = next(Tagger.load(language, device="cpu").tag([note])).spans
    assert [note.mention(span) for span in spans] == found


def test_company_changes_nothing_in_bfloat16_either() -> None:
    folder = Path(__file__).parents[1] / "examples/notes/es"
    notes = [doc(path.read_bytes().decode()) for path in sorted(folder.glob("*.txt")) if path.stat().st_size < 2_000]
    tagger = Tagger.load("es", device="cpu", precision="bf16")  # slow where the processor multiplies no bfloat16
    together = list(tagger.tag(notes))
    alone = [next(tagger.tag([note])) for note in notes]
    assert [d.spans for d in together] == [d.spans for d in alone]
    scores = [
        (a.score, b.score) for x, y in zip(together, alone, strict=True) for a, b in zip(x.spans, y.spans, strict=True)
    ]
    assert max(abs((a or 0) - (b or 0)) for a, b in scores) <= 0.02


def test_no_document_is_no_document(tagger: Tagger) -> None:
    assert list(tagger.tag([])) == []


def test_documents_are_read_ahead_only_up_to_a_bound(tagger: Tagger) -> None:
    taken = 0

    def watched() -> Iterator[Document]:
        nonlocal taken
        for _ in range(24):
            taken += 1
            yield doc(" " * (LOOK_AHEAD_CHARS // 4), f"d{taken}")

    assert next(tagger.tag(watched())).doc_id == "d1"
    assert taken == 8


def test_the_next_texts_are_tokenised_while_the_encoder_is_busy(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagger_module, "LOOK_AHEAD_CHARS", 50)
    second_is_tokenised = threading.Event()
    tokenise, launch = DocumentTokenizer.__call__, Encoder.launch
    threads: dict[str, set[int]] = {"tokenise": set(), "launch": set(), "read": set()}

    def watched_tokenise(self: DocumentTokenizer, texts: list[str]) -> object:
        threads["tokenise"].add(threading.get_ident())
        if any("heparina" in text for text in texts):
            second_is_tokenised.set()
        return tokenise(self, texts)

    def watched_launch(self: Encoder, rows: list[np.ndarray], wanted: list[np.ndarray]) -> object:
        threads["launch"].add(threading.get_ident())
        assert second_is_tokenised.wait(30), "the second group waits for the first"
        return launch(self, rows, wanted)

    def read() -> Iterator[Document]:
        for drug in ("aspirina", "heparina"):
            threads["read"].add(threading.get_ident())
            yield doc(f"Paciente tratado con {drug} y furosemida desde el alta.", drug)

    monkeypatch.setattr(DocumentTokenizer, "__call__", watched_tokenise)
    monkeypatch.setattr(Encoder, "launch", watched_launch)
    assert [d.doc_id for d in tagger.tag(read())] == ["aspirina", "heparina"]
    assert threads["read"] == threads["launch"] == {threading.get_ident()}
    assert len(threads["tokenise"] - {threading.get_ident()}) == 1


@settings(max_examples=80, deadline=None)
@given(text=awkward_texts)
def test_mentions_begin_and_end_with_tokens_and_never_with_space_or_before_a_mark(tagger: Tagger, text: str) -> None:
    tokens = tagger.encoder.tokenizer([text])[0]
    (found,) = tagger.tag([doc(text)])
    for span in found.spans:
        mention = found.mention(span)
        assert mention == text[span.start : span.end] == mention.strip()
        assert span.start in tokens.starts
        assert span.end in tokens.ends
        assert span.score is not None
        if span.end < len(text) and span.end not in tokens.starts:
            assert not unicodedata.category(text[span.end]).startswith("M")


def test_white_space_that_is_a_token_of_its_own_is_in_no_mention(tagger: Tagger) -> None:
    pieces = {letter: row for row, letter in enumerate(sorted(ByteLevel.alphabet()))}
    backend = Tokenizer(BPE(pieces, []))  # as RoBERTa's and its kin
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    text, tags = "\n HTA \n y\n\n", "BIIIIIIIOBI"
    (tokens,) = DocumentTokenizer(backend, (), (), 0)([text])
    scheme = tagger.encoder.scheme
    group, other = scheme.groups
    logp_TK = np.full((len(text), scheme.n_labels), np.log(0.01), dtype=np.float32)
    logp_TK[:, scheme.slices[1].start + other.outside] = 0
    for place, tag in enumerate(tags):
        logp_TK[place, {"O": group.outside, "B": group.begin[0], "I": group.inside[0]}[tag]] = 0
    (found,) = tagger.spans([(doc(text), tokens, logp_TK)])
    assert [(span.start, span.end) for span in found] == [(2, 5)]


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(awkward_texts, max_size=6))
def test_awkward_texts_do_not_disturb_each_other(tagger: Tagger, texts: list[str]) -> None:
    documents = [doc(text, f"d{n}") for n, text in enumerate(texts)]
    together = [d.spans for d in tagger.tag(documents)]
    assert [d.spans for one in documents for d in tagger.tag([one])] == together


def test_composed_and_decomposed_accents_give_the_same_mentions(tagger: Tagger) -> None:
    composed = unicodedata.normalize("NFC", CLINICAL_TEXT)
    decomposed = unicodedata.normalize("NFD", CLINICAL_TEXT)
    assert len(decomposed) > len(composed)
    first, second = tagger.tag([doc(composed, "c"), doc(decomposed, "d")])
    assert [unicodedata.normalize("NFC", second.mention(s)) for s in second.spans] == [
        first.mention(s) for s in first.spans
    ]
    assert any(s.end - s.start != len(unicodedata.normalize("NFC", second.mention(s))) for s in second.spans)


def in_a_word(text: str, offset: int) -> bool:
    return 0 < offset < len(text) and text[offset - 1].isalnum() and text[offset].isalnum()


def test_word_boundaries_never_cut_a_word_and_token_boundaries_do(tagger: Tagger) -> None:
    text = "xdolory zaspirinas paciente100mg wheparinaq, furosemidax dolorosa unlikely vocabulary. " * 10
    assert text.isascii()

    def n_cut(boundaries: str) -> tuple[int, int]:
        (found,) = dataclasses.replace(tagger, boundaries=boundaries).tag([doc(text)])
        return len(found.spans), sum(in_a_word(text, s.start) + in_a_word(text, s.end) for s in found.spans)

    n_words, cut_by_words = n_cut("word")
    _, cut_by_tokens = n_cut("token")
    assert n_words > 5
    assert cut_by_words == 0
    assert cut_by_tokens > 0


def test_a_hub_model_with_one_group_and_its_own_label_order_tags(hub_checkpoint: Path) -> None:
    tagger = Tagger.load(hub_checkpoint, device="cpu", precision="fp32")
    text = CLINICAL_TEXT * 5
    (found,) = tagger.tag([doc(text)])
    assert {span.entity_type for span in found.spans} == {"DISO", "DRUG"}
    assert all(left.end <= right.start for left, right in pairwise(found.spans))
    assert [d.spans for d in with_budget(tagger, 64).tag([doc(text)])] == [found.spans]


def test_bf16_scores_stay_within_two_hundredths_of_themselves_across_batchings(two_group_checkpoint: Path) -> None:
    tagger = Tagger.load(two_group_checkpoint, device="cpu", precision="bf16")
    documents = [doc(CLINICAL_TEXT * n, f"d{n}") for n in range(1, 5)]
    together = [d.spans for d in tagger.tag(documents)]
    singly = [d.spans for one in documents for d in with_budget(tagger, 1).tag([one])]
    assert singly == together
    for left, right in zip(sum(singly, ()), sum(together, ()), strict=True):
        assert left.score == pytest.approx(right.score, abs=0.02)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_gpu_gets_larger_batches(device: str, two_group_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = SimpleNamespace(engine=SimpleNamespace(device=torch.device(device)))
    monkeypatch.setattr(Encoder, "load", lambda *_, **__: encoder)
    assert Tagger.load(str(two_group_checkpoint)).tokens_per_batch == TOKENS_PER_BATCH[device]
    assert Tagger.load(str(two_group_checkpoint), max_tokens_per_batch=77).tokens_per_batch == 77
    assert TOKENS_PER_BATCH["cuda"] > TOKENS_PER_BATCH["cpu"]


def test_the_tagger_carries_the_checkpoints_settings(two_group_checkpoint: Path) -> None:
    tagger = Tagger.load(str(two_group_checkpoint), device="cpu", max_tokens_per_batch=77)
    assert (tagger.window_tokens, tagger.overlap_tokens, tagger.boundaries) == (24, 8, "token")
    assert tagger.tokens_per_batch == 77
    assert tagger.model_id.startswith("m")


def test_a_name_that_is_no_model_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        Tagger.load("./no-such-checkpoint", device="cpu")
    with pytest.raises(CheckpointError, match=r"'fr' is no folder here .*; what ships is es, en, it"):
        Tagger.load("fr", device="cpu")


def test_a_tagger_that_is_sent_to_another_process_says_what_to_do(tagger: Tagger) -> None:
    """As Spark's closures and pools of processes would."""
    with pytest.raises(pickle.PicklingError, match=r"expected one loaded in each process, with Tagger\.load"):
        pickle.dumps(tagger)


def test_a_code_is_the_checkpoint_that_ships_whatever_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint_copy: Path
) -> None:
    (tmp_path / "es").mkdir()  # of notes, say
    monkeypatch.chdir(tmp_path)
    assert Tagger.load("es").model_id == Checkpoint.open(packaged_model("es")).model_id
    assert Tagger.load("ES").model_id == Tagger.load("es").model_id
    checkpoint_copy.rename(tmp_path / "it")
    (tmp_path / "IT").symlink_to("it")  # a folder that is named so was always meant
    assert Tagger.load("IT").model_id == Checkpoint.open(tmp_path / "it").model_id
    assert Tagger.load("./it").model_id == Tagger.load(Path("it")).model_id == Checkpoint.open(tmp_path / "it").model_id
