# Small models of diffusers and transformers with random weights, run in double precision.
"""Used by make_oracle_fixtures.py. The models are the public implementations as they stand; added
are weights worth testing with (the default initialisation has zeros and ones), float64 throughout,
and the causal pass: the bidirectional transformer under a block-causal attention mask.
"""
import contextlib
import math

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.models.autoencoders import autoencoder_kl_wan
from diffusers.models.transformers.transformer_wan import WanAttnProcessor, WanRotaryPosEmbed
from transformers import UMT5Config, UMT5EncoderModel

TEXT_LENGTH = 512
HEADS, HEAD_DIM, FREQ_DIM = 2, 24, 32
BRANCH_ENDS = ("to_out.0.weight", "net.2.weight", "conv2.weight", "proj.weight",
               "SelfAttention.o.weight", "wo.weight")


def tiny_transformer():
    return WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=HEADS, attention_head_dim=HEAD_DIM,
        in_channels=16, out_channels=16, text_dim=32, freq_dim=FREQ_DIM, ffn_dim=96, num_layers=2,
        cross_attn_norm=True, qk_norm="rms_norm_across_heads", eps=1e-6, rope_max_seq_len=1024)


def tiny_vae():
    return AutoencoderKLWan(base_dim=4, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2,
                            temperal_downsample=[False, True, True])


def tiny_text_encoder(vocab):
    return UMT5EncoderModel(UMT5Config(
        vocab_size=vocab, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        relative_attention_num_buckets=32, relative_attention_max_distance=128, dropout_rate=0.1,
        layer_norm_epsilon=1e-6, feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1))


def randomize(model, seed, dtype=torch.float32):
    """Fills every parameter in order of its name: matrices of std 1/sqrt(inputs), norms near 1.

    What ends a residual branch is smaller, as in trained networks: else the rounding of bfloat16
    weights alone, adding up through all layers, would reach a per cent of the output. The
    parameters stay float32, with values that `dtype` holds exactly.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        values = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
        is_norm = "norm" in name and name.endswith(("gamma", "weight"))
        if is_norm:
            values = 1 + 0.2 * values
        elif "scale_shift_table" in name or "relative_attention_bias" in name:
            values *= 0.5
        elif name.endswith("bias"):
            values *= 0.1
        elif not name.startswith("shared"):  # a token embedding keeps std 1
            values /= math.sqrt(parameter[0].numel())
            if name.endswith(BRANCH_ENDS):
                values *= 0.4
        if name.endswith("SelfAttention.q.weight"):
            values *= 0.35  # umT5 does not scale its scores
        with torch.no_grad():
            parameter.copy_(values.to(dtype))
    return model.eval()


@contextlib.contextmanager
def double_precision():
    """Within, `.float()` and `.to(torch.float32)` leave float64 tensors alone."""
    original_float, original_to = torch.Tensor.float, torch.Tensor.to

    def keep_float(tensor, *args, **kwargs):
        return tensor if tensor.dtype == torch.float64 else original_float(tensor, *args, **kwargs)

    def keep_to(tensor, *args, **kwargs):
        narrowing = tensor.dtype == torch.float64 and args[:1] == (torch.float32,)
        return tensor if narrowing else original_to(tensor, *args, **kwargs)

    torch.Tensor.float, torch.Tensor.to = keep_float, keep_to
    try:
        yield
    finally:
        torch.Tensor.float, torch.Tensor.to = original_float, original_to


@contextlib.contextmanager
def without_clamp():
    """Within, the VAE's final clamp to [-1, 1] does nothing."""
    class Unclamped:
        def __getattr__(self, name):
            return (lambda x, **_: x) if name == "clamp" else getattr(torch, name)

    autoencoder_kl_wan.torch = Unclamped()
    try:
        yield
    finally:
        autoencoder_kl_wan.torch = torch


class DoubleSinusoid(torch.nn.Module):
    """The timestep sinusoid, cosines first; diffusers computes its angles in float32."""

    def forward(self, timestep):
        half = FREQ_DIM // 2
        omega = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        angle = timestep.double()[:, None] * omega
        return torch.cat([angle.cos(), angle.sin()], dim=-1)


def doubled_transformer(model):
    """The same weights in float64, with rotary tables and sinusoid in float64."""
    clone = tiny_transformer()
    clone.load_state_dict(model.state_dict())
    clone = clone.double().eval()
    clone.condition_embedder.timesteps_proj = DoubleSinusoid()
    with double_precision():
        clone.rope = WanRotaryPosEmbed(HEAD_DIM, (1, 2, 2), 1024)
    assert clone.rope.freqs_cos.dtype == torch.float64
    return clone


class RepeatedRope(torch.nn.Module):
    """Rotary tables of a sequence that holds the same frames twice."""

    def __init__(self, rope):
        super().__init__()
        self.rope = rope

    def forward(self, hidden_states):
        once = self.rope(hidden_states[:, :, :hidden_states.shape[2] // 2])
        return tuple(torch.cat([table, table], dim=1) for table in once)


class MaskedSelfAttention(WanAttnProcessor):
    def __init__(self, mask):
        super().__init__()
        self.mask = mask  # [query tokens, key tokens], True where attended

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None,
                 rotary_emb=None):
        return super().__call__(attn, hidden_states, encoder_hidden_states, self.mask, rotary_emb)


def history_mask(frames, chunk_frames, window, sink):
    """[2 frames, 2 frames]: who attends to whom in the sequence (clean frames, noisy frames).

    Every frame sees its own chunk in its own version and earlier frames in the clean version: all
    of them, or with a window those among the first `sink` frames and the last `window - sink`
    frames up to the end of its chunk.
    """
    mask = torch.zeros(2 * frames, 2 * frames, dtype=torch.bool)
    for noisy in (0, 1):
        for query in range(frames):
            start = query // chunk_frames * chunk_frames
            end = start + chunk_frames
            mask[noisy * frames + query, noisy * frames + start:noisy * frames + end] = True
            for key in range(start):
                if window < 0 or key < sink or key >= end - (window - sink):
                    mask[noisy * frames + query, key] = True
    return mask


def causal_flow(model, clean, noisy, timesteps, text, chunk_frames, window, sink):
    """Flow of every noisy frame, its history being the clean frames at timestep 0.

    clean, noisy [16, frames, H, W]; timesteps [frames]; text [TEXT_LENGTH, 32].
    Returns [16, frames, H, W].
    """
    frames, height, width = clean.shape[1:]
    tokens = (height // 2) * (width // 2)
    mask = history_mask(frames, chunk_frames, window, sink)
    mask = mask.repeat_interleave(tokens, 0).repeat_interleave(tokens, 1)
    for block in model.blocks:
        block.attn1.set_processor(MaskedSelfAttention(mask))
    plain_rope, model.rope = model.rope, RepeatedRope(model.rope)
    per_token = torch.cat([torch.zeros_like(timesteps), timesteps]).repeat_interleave(tokens)
    with double_precision(), torch.no_grad():
        flow = model(torch.cat([clean, noisy], dim=1)[None], per_token[None], text[None]).sample[0]
    model.rope = plain_rope
    for block in model.blocks:
        block.attn1.set_processor(WanAttnProcessor())
    return flow[:, frames:]
