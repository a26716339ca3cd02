"""The engine room: rows of token ids in, logits out, as fast as the chip allows. Torch, and nothing of documents.

    rows ─► PackedBert   BERT and RoBERTa: rows end to end, nothing padded, fused and packed matrices
         └► PaddedModel  every other architecture, as transformers computes it; for PackedBert, what it must equal

One of the two is chosen when a checkpoint is loaded (`load_engine`); both keep the contract `Engine`.
"""
