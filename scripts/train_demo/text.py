"""The text side: a SentencePiece vocabulary of the world's sentences and a small umT5 encoder."""
import math
import string
from collections import Counter

import numpy as np
import sentencepiece
import torch
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from transformers import UMT5Config, UMT5EncoderModel

from .prompts import training_example

SENTINELS = 300      # umT5's embedding has these many rows behind the vocabulary
PAD, END = 0, 1
SPACE = "\u2581"      # SentencePiece's mark of a word's beginning


def write_vocabulary(config, path):
    """Writes spiece.model: one piece for each word of the training sentences, letters for all else.

    Scores are the logarithms of the pieces' frequencies. The file is made by hand of SentencePiece's own
    message, because its trainer cuts so few words into syllables. Ids of the specials as umT5 has them.
    """
    words = Counter()
    for seed in range(config["sentences"]):
        words.update(training_example(2**40 + seed)[0].replace(",", " ,").split())
    model = ModelProto()
    model.trainer_spec.model_type = 1     # unigram
    model.trainer_spec.pad_id, model.trainer_spec.eos_id = 0, 1
    model.trainer_spec.bos_id, model.trainer_spec.unk_id = 2, 3
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = True
    model.normalizer_spec.remove_extra_whitespaces = False
    for piece, kind in (("<pad>", 3), ("</s>", 3), ("<s>", 3), ("<unk>", 2)):
        model.pieces.add(piece=piece, score=0.0, type=kind)
    total = sum(words.values())
    for word, count in sorted(words.items(), key=lambda item: (-item[1], item[0])):
        model.pieces.add(piece=word if word == "," else SPACE + word, score=math.log(count / total))
    # Letters cost more than any word, so that no word is spelled that has a piece.
    for letter in SPACE + string.ascii_letters + string.digits + ".;:!?'\"()-":
        model.pieces.add(piece=letter, score=-20.0)
    model.trainer_spec.vocab_size = len(model.pieces)
    path.write_bytes(model.SerializeToString())


class Vocabulary:
    """Sentences to ids with the end token, at most `text_rows` of them (longer sentences lose their tail)."""

    def __init__(self, path, text_rows):
        self.model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self.text_rows = text_rows

    def rows(self):
        return self.model.vocab_size() + SENTINELS

    def id_of(self, word):
        return self.model.piece_to_id(SPACE + word)

    def batch(self, sentences):
        """(ids [B, text_rows], lengths [B])."""
        ids = [self.model.encode(sentence)[:self.text_rows - 1] + [END] for sentence in sentences]
        lengths = torch.tensor([len(row) for row in ids])
        table = np.full((len(ids), self.text_rows), PAD)
        for row, words in zip(table, ids):
            row[:len(words)] = words
        return torch.from_numpy(table), lengths


def make_text_encoder(config, rows):
    return UMT5EncoderModel(UMT5Config(
        vocab_size=rows, d_model=config["width"], d_kv=config["head_dim"], d_ff=config["ffn_dim"],
        num_layers=config["layers"], num_heads=config["heads"], relative_attention_num_buckets=32,
        relative_attention_max_distance=128, dropout_rate=0.0, layer_norm_epsilon=1e-6,
        feed_forward_proj="gated-gelu", pad_token_id=PAD, eos_token_id=END))


def encode_text(encoder, ids, lengths):
    """States [B, L, width]; padding is neither attended to nor meaningful."""
    real = torch.arange(ids.shape[1], device=ids.device)[None] < lengths[:, None]
    return encoder(input_ids=ids, attention_mask=real.long()).last_hidden_state
