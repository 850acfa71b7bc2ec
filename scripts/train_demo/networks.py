"""The text encoder and the transformer, which are trained together, and their checkpoint."""
import copy

import torch

from .latents import TOKEN_ROWS
from .text import Vocabulary, encode_text, make_text_encoder
from .training import load_checkpoint
from .transformer import make_transformer, text_context
from .world import ATTRIBUTES


class Networks(torch.nn.Module):
    """`context(sentences)` gives what the transformer's cross-attention reads."""

    def __init__(self, config, vocabulary_path):
        super().__init__()
        self.text_rows = config["text"]["rows"]
        self.vocabulary = Vocabulary(vocabulary_path, self.text_rows)
        self.text_encoder = make_text_encoder(config["text"], self.vocabulary.rows())
        self.transformer = make_transformer(config["transformer"], config["text"]["width"])

    def context(self, sentences):
        return self.context_and_states(sentences)[0]

    def context_and_states(self, sentences):
        """The context, the encoder's states [B, text_rows, width], the words' ids [B, text_rows]."""
        device = self.transformer.proj_out.weight.device
        ids, lengths = (part.to(device) for part in self.vocabulary.batch(sentences))
        states = encode_text(self.text_encoder, ids, lengths)
        return text_context(self.transformer, states, lengths, self.text_rows), states, ids


class NetworksWithHeads(Networks):
    """With linear heads that only training has.

    `naming` says from the middle of the transformer what is at a token and where the token is, in the groups of
    sizes `names`; `order` says from the text encoder which of two objects a word tells of.
    """

    def __init__(self, config, vocabulary_path):
        super().__init__(config, vocabulary_path)
        sizes = config["transformer"]
        self.names = (*(len(names) for names in ATTRIBUTES.values()), TOKEN_ROWS, TOKEN_ROWS, sizes["chunk_frames"])
        self.naming = torch.nn.Linear(sizes["heads"] * sizes["head_dim"], sum(self.names))
        self.order = torch.nn.Linear(config["text"]["width"], 2)


def load_networks(config, out, name, weights="ema"):
    """The networks of a checkpoint `name`.pt, its running average by default."""
    done = load_checkpoint(out / f"{name}.pt")
    if not done:
        raise SystemExit(f"{out / name}.pt: not there; run the step '{name}' first")
    networks = Networks(config, out / "spiece.model")
    networks.load_state_dict({key: done[weights][key] for key in networks.state_dict()})   # without the heads
    return networks.eval()


class Average:
    """An exponential moving average of the weights; young averages forget faster."""

    def __init__(self, networks, decay):
        self.networks, self.decay, self.count = copy.deepcopy(networks).requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, networks):
        self.count += 1
        decay = min(self.decay, (1.0 + self.count) / (10.0 + self.count))
        torch._foreach_lerp_(list(self.networks.parameters()), list(networks.parameters()), 1.0 - decay)
