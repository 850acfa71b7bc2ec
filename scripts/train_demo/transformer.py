"""The causal video transformer as functions over the weights of diffusers' WanTransformer3DModel.

diffusers' own forward pass knows neither chunks nor a history. Here a video is cut into chunks of
`chunk_frames` latent frames; the tokens of a chunk see each other and all *clean* chunks before it.
Training puts one clean copy and several noisy copies of a video side by side ("copies", the clean one
first): every noisy chunk then has exactly the history that generation will give it. Generation uses
the same functions with keys and values that were kept.

Shapes: x [B, C, K, F, 16, H, W] with B videos, C copies, K chunks of F frames; one timestep for each
[B, C, K]; text [B, L, D_text] with lengths [B].
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import WanTransformer3DModel

def make_transformer(config, text_width):
    """A new WanTransformer3DModel of the sizes in `config` (heads, head_dim, ffn_dim, layers)."""
    return WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=config["heads"], attention_head_dim=config["head_dim"],
        in_channels=16, out_channels=16, text_dim=text_width, freq_dim=256, ffn_dim=config["ffn_dim"],
        num_layers=config["layers"], cross_attn_norm=True, qk_norm="rms_norm_across_heads", eps=1e-6,
        rope_max_seq_len=1024)


@dataclass
class Text:
    """What cross-attention reads: keys and values of every layer, and the bias of its last, padding, key."""
    keys: list
    values: list
    bias: torch.Tensor      # [B, 1, 1, L + 1]


def text_context(model, states, lengths, text_rows):
    """Text of the encoder's states [B, L, D_text]. Rows from `lengths` on are padding.

    Wan pads the text with rows of zeros up to `text_rows` (512 in the published model), and attends to all.
    They have one key and value, so that one row with the logarithm of their number as a bias stands for all.
    """
    batch, rows, _ = states.shape
    real = torch.arange(rows, device=states.device)[None] < lengths[:, None]
    states = torch.cat([states * real[..., None], torch.zeros_like(states[:, :1])], dim=1)
    context = model.condition_embedder.text_embedder(states)
    bias = torch.where(real, 0.0, float("-inf"))
    padding = torch.log((text_rows - lengths).float())[:, None]
    bias = torch.cat([bias, padding], dim=1)[:, None, None]
    keys, values = [], []
    for block in model.blocks:
        cross = block.attn2
        keys.append(_heads(cross.norm_k(cross.to_k(context)), cross.heads))
        values.append(_heads(cross.to_v(context), cross.heads))
    return Text(keys, values, bias)


def repeat_text(text, copies):
    """The same for every copy of a video: [B · copies]."""
    return Text([k.repeat_interleave(copies, 0) for k in text.keys],
                [v.repeat_interleave(copies, 0) for v in text.values],
                text.bias.repeat_interleave(copies, 0))


def rotation(model, frames, rows, columns):
    """(cos, sin) [frames · rows · columns, head_dim / 2] of tokens whose absolute frames are `frames`."""
    half = model.config.attention_head_dim // 2
    space = model.config.attention_head_dim // 6
    angles = []
    grids = torch.meshgrid(frames.double(), torch.arange(rows).double().to(frames.device),
                           torch.arange(columns).double().to(frames.device), indexing="ij")
    for positions, count in zip(grids, (half - 2 * space, space, space)):
        omega = 10000.0 ** (-torch.arange(count, dtype=torch.float64, device=frames.device) / count)
        angles.append(positions.flatten()[:, None] * omega)
    angles = torch.cat(angles, dim=1)
    return angles.cos().float(), angles.sin().float()


def _heads(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def _rotate(x, table):
    """x [..., tokens, heads · size]: pairs of neighbours are turned."""
    cos, sin = table
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2).to(x.dtype)


def _modulation(model, timesteps):
    """Time embedding [..., D] and its six-fold projection [..., 6, D], float32."""
    embedder = model.condition_embedder
    with torch.autocast(timesteps.device.type, enabled=False):
        embedding = embedder.time_embedder(embedder.timesteps_proj(timesteps.flatten().float()))
        projected = embedder.time_proj(F.silu(embedding))
    return embedding.unflatten(0, timesteps.shape), projected.unflatten(-1, (6, -1)).unflatten(0, timesteps.shape)


def _normal(x, scale, shift):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1.0 + scale) + shift


def _rms(norm, x):
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + norm.eps) * norm.weight


def block_start(block, x, projected, table):
    """Modulated norm, q, k, v of one block: x [..., tokens, D] → three [..., heads, tokens, size]."""
    shift, scale = projected[..., 0:1, :], projected[..., 1:2, :]
    own = block.attn1
    normal = _normal(x, scale, shift)
    q = _heads(_rms(own.norm_q, own.to_q(normal)), own.heads)
    k = _heads(_rms(own.norm_k, own.to_k(normal)), own.heads)
    v = _heads(own.to_v(normal), own.heads)
    return _rotate(q, table).to(v.dtype), _rotate(k, table).to(v.dtype), v


def block_end(block, x, mixed, projected, keys, values, bias):
    """The rest of the block after self-attention; mixed [..., heads, tokens, size]; the text's keys and values."""
    gate = projected[..., 2:3, :]
    x = x + block.attn1.to_out[0](mixed.transpose(-3, -2).flatten(-2)).float() * gate
    cross = block.attn2
    normal = F.layer_norm(x, x.shape[-1:], block.norm2.weight, block.norm2.bias, 1e-6)
    query = _rms(cross.norm_q, cross.to_q(normal)).to(values.dtype)
    # Chunks of one video read one text: their tokens stand in a row.
    flat = _heads(query.flatten(1, -2), cross.heads)
    read = attention(flat, keys.to(flat.dtype), values, bias.to(flat.dtype))
    read = read.transpose(1, 2).flatten(2).reshape(x.shape)
    x = x + cross.to_out[0](read).float()
    normal = _normal(x, projected[..., 4:5, :], projected[..., 3:4, :])
    inner = F.gelu(block.ffn.net[0].proj(normal), approximate="tanh")
    return x + block.ffn.net[2](inner).float() * projected[..., 5:6, :]


def patches(model, x):
    """[..., F, 16, H, W] → tokens [..., F · H/2 · W/2, D]."""
    lead, (frames, channels, height, width) = x.shape[:-4], x.shape[-4:]
    cut = x.reshape(*lead, frames, channels, height // 2, 2, width // 2, 2)
    order = len(lead)
    cut = cut.permute(*range(order), *(order + i for i in (0, 2, 4, 1, 3, 5))).flatten(-3).flatten(-4, -2)
    return F.linear(cut, model.patch_embedding.weight.flatten(1), model.patch_embedding.bias)


def head(model, x, embedding, frames, rows, columns):
    """Tokens → flow [..., F, 16, H, W]."""
    table = model.scale_shift_table[0]
    shift, scale = table[0] + embedding[..., None, :], table[1] + embedding[..., None, :]
    x = model.proj_out(_normal(x, scale, shift))
    x = x.unflatten(-2, (frames, rows, columns)).unflatten(-1, (2, 2, -1))
    order = x.dim() - 6
    x = x.permute(*range(order), *(order + i for i in (0, 5, 1, 3, 2, 4)))
    return x.flatten(-2).flatten(-3, -2)


def compile_blocks():
    """From now on training runs the blocks compiled. Needs a C++ compiler and Python's headers."""
    global block_start, block_end
    torch._dynamo.config.recompile_limit = 32   # shapes of all phases; above it PyTorch falls back without a word
    block_start = torch.compile(block_start, dynamic=False)
    block_end = torch.compile(block_end, dynamic=False)


def _projected(block, projected):
    return projected + block.scale_shift_table[0]


def attention(q, k, v, bias=None):
    """Softmax attention over the last two dimensions; bias is added to the scores.

    PyTorch's fused kernel spends two to six times as long in the backward pass on CPUs for heads this
    small as plain products do.
    """
    if q.device.type != "cpu" or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    scores = torch.matmul(q, k.transpose(-1, -2)) * q.shape[-1] ** -0.5
    if bias is not None:
        scores = scores + bias
    return torch.matmul(torch.softmax(scores, dim=-1), v)


def flow(model, x, timesteps, text, frames, visible=None, has_clean=True):
    """Flow of every noisy copy, [B, C − 1, K, F, 16, H, W]; copy 0 of x is the clean video."""
    return flow_and_states(model, x, timesteps, text, frames, visible, has_clean)[0]


def flow_and_states(model, x, timesteps, text, frames, visible=None, has_clean=True):
    """The flow, and the noisy copies' tokens in the middle of the network: [B, C − 1, K, tokens, D].

    Opening chunks have no history, so they need no clean copy: has_clean=False, C noisy copies.

    frames: absolute frame numbers [K, F]. visible: for every chunk the tokens of the clean chunks before
    it that it sees, as an index into all clean tokens (None: all of them).
    """
    batch, copies, chunks, length = x.shape[:4]
    rows, columns = x.shape[-2] // 2, x.shape[-1] // 2
    tables = [rotation(model, f, rows, columns) for f in frames]
    table = tuple(torch.stack(part)[:, None] for part in zip(*tables))    # [K, 1, tokens, half]
    text = repeat_text(text, copies)
    embedding, projected = _modulation(model, timesteps)
    x = patches(model, x).float()
    noisy = slice(1 if has_clean else 0, None)
    for layer, block in enumerate(model.blocks):
        if layer == len(model.blocks) // 2:
            states = x[:, noisy]
        six = _projected(block, projected)
        q, k, v = block_start(block, x, six, table)
        mixed = attend(q, k, v, visible)
        mixed = mixed.flatten(0, 1)
        x = block_end(block, x.flatten(0, 1), mixed, six.flatten(0, 1), text.keys[layer],
                      text.values[layer], text.bias).unflatten(0, (batch, copies))
    return head(model, x[:, noisy], embedding[:, noisy], length, rows, columns), states


def attend(q, k, v, visible=None):
    """q, k, v [B, C, K, heads, tokens, size]: every chunk over the clean chunks before it and itself."""
    batch, copies, chunks = q.shape[:3]
    mixed = []
    for chunk in range(chunks):
        keys, values = k[:, :, chunk], v[:, :, chunk]
        if chunk:
            def history(source):
                clean = source[:, 0, :chunk].transpose(1, 2).flatten(2, 3)  # [B, heads, tokens, size]
                if visible is not None:
                    clean = clean[:, :, visible[chunk]]
                return clean[:, None].expand(-1, copies, -1, -1, -1)
            keys = torch.cat([history(k), keys], dim=3)
            values = torch.cat([history(v), values], dim=3)
        out = attention(q[:, :, chunk].flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1))
        mixed.append(out.unflatten(0, (batch, copies)))
    return torch.stack(mixed, dim=2)
