"""The causal 3-D VAE as whole-sequence functions over the weights of diffusers' AutoencoderKLWan.

diffusers runs the VAE piece by piece with feature caches; for training, one pass over all frames is
several times faster and equal to rounding (a test compares them). Videos [B, 3, 1 + 4k, H, W] in
[-1, 1]; latents [B, 16, 1 + k, H/8, W/8], raw (neither mean nor deviation applied).
"""
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan


def make_vae(config):
    """A new AutoencoderKLWan of the sizes in `config` (base_dim, dim_mult, num_res_blocks)."""
    return AutoencoderKLWan(
        base_dim=config["base_dim"], z_dim=16, dim_mult=list(config["dim_mult"]),
        num_res_blocks=config["num_res_blocks"], attn_scales=[],
        temperal_downsample=[False, True, True], dropout=0.0)


def encode(vae, video):
    """(mean, log-variance) of the latent distribution."""
    return vae.quant_conv(_encoder(vae.encoder, video)).chunk(2, dim=1)


def decode(vae, latents):
    """The video, not clamped."""
    return _decoder(vae.decoder, vae.post_quant_conv(latents))


def _causal(conv, x):
    """A causal convolution over a whole sequence: zero history, no frame of the future."""
    past = conv._padding[4]  # twice the usual temporal padding, all of it in front
    height, width = conv._padding[2], conv._padding[0]
    if past:
        x = F.pad(x, (0, 0, 0, 0, past, 0))
    return F.conv3d(x, conv.weight, conv.bias, conv.stride, (0, height, width))


def _norm(norm, x):
    scale = norm.gamma * norm.scale
    length = x.float().square().sum(1, keepdim=True).sqrt().clamp_min(1e-12)
    return (x.float() / length * scale).to(x.dtype)


def _residual(block, x):
    shortcut = _causal(block.conv_shortcut, x) if block.conv_shortcut.__class__.__name__ != "Identity" else x
    x = _causal(block.conv1, F.silu(_norm(block.norm1, x)))
    return shortcut + _causal(block.conv2, F.silu(_norm(block.norm2, x)))


def _attention(block, x):
    batch, channels, frames, height, width = x.shape
    flat = x.transpose(1, 2).reshape(batch * frames, channels, height, width)
    qkv = block.to_qkv(_norm(block.norm, flat)).flatten(2).transpose(1, 2)
    q, k, v = qkv.unsqueeze(1).chunk(3, dim=-1)
    mixed = F.scaled_dot_product_attention(q, k, v).squeeze(1).transpose(1, 2)
    mixed = block.proj(mixed.reshape(flat.shape))
    return x + mixed.reshape(batch, frames, channels, height, width).transpose(1, 2)


def _middle(block, x):
    x = _residual(block.resnets[0], x)
    x = _attention(block.attentions[0], x)
    return _residual(block.resnets[1], x)


def _per_frame(operation, x):
    batch, _, frames = x.shape[:3]
    y = operation(x.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last))
    return y.unflatten(0, (batch, frames)).transpose(1, 2)


def _downsample(block, x):
    x = _per_frame(block.resample, x)
    if block.mode == "downsample3d" and x.shape[2] > 1:
        later = F.conv3d(x, block.time_conv.weight, block.time_conv.bias, (2, 1, 1))
        x = torch.cat([x[:, :, :1], later], dim=2)
    return x


def _upsample(block, x):
    if block.mode == "upsample3d" and x.shape[2] > 1:
        first, later = x[:, :, :1], x[:, :, 1:]
        pairs = _causal(block.time_conv, later).unflatten(1, (2, x.shape[1]))  # [B, 2, C, T, H, W]
        later = pairs.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)
        x = torch.cat([first, later], dim=2)
    return _per_frame(block.resample, x)


def _encoder(encoder, x):
    x = _causal(encoder.conv_in, x)
    for block in encoder.down_blocks:
        x = _downsample(block, x) if hasattr(block, "mode") else _residual(block, x)
    x = _middle(encoder.mid_block, x)
    return _causal(encoder.conv_out, F.silu(_norm(encoder.norm_out, x)))


def _decoder(decoder, x):
    x = _middle(decoder.mid_block, _causal(decoder.conv_in, x))
    for block in decoder.up_blocks:
        for residual in block.resnets:
            x = _residual(residual, x)
        if block.upsamplers is not None:
            x = _upsample(block.upsamplers[0], x)
    return _causal(decoder.conv_out, F.silu(_norm(decoder.norm_out, x)))


def start_as_pyramid(vae):
    """Initial weights that make the network an image pyramid, which saves the slow first part of the training.

    Colours reach the latents as averages over 8 x 8 pixels and come back as flat squares, frame by frame;
    a channel of ones travels along, against which the norms (which forget magnitudes) can measure. The
    residual branches start at zero, history taps too: pictures would not train them.
    """
    with torch.no_grad():
        for name, module in vae.named_modules():
            if isinstance(module, torch.nn.Conv3d):
                _start_convolution(name, module)
            elif isinstance(module, torch.nn.Conv2d) and tuple(module.kernel_size) == (3, 3):
                for channel in range(module.out_channels):
                    if module.stride[0] == 1:          # after nearest-neighbour doubling
                        module.weight[channel] *= 0.3
                        module.weight[channel, channel, 1, 1] += 1.0
                    elif channel < module.in_channels // 2:  # halving; the other half stays free for details
                        module.weight[channel] = 0.0
                        module.weight[channel, channel, :2, :2] = 0.25
                module.bias.zero_()
        vae.encoder.conv_in.weight[:4] = 0.0
        for channel in range(3):
            vae.encoder.conv_in.weight[channel, channel, 2, 1, 1] = 1.0
        vae.encoder.conv_in.bias[3] = 1.0
        vae.encoder.conv_out.weight[16:] *= 0.1        # log-variances
        vae.encoder.conv_out.bias[16:] = -5.0


def _start_convolution(name, module):
    outputs, inputs, *kernel = module.weight.shape
    if kernel == [3, 3, 3]:
        module.weight[:, :, :2] = 0.0
        if name.endswith("conv2"):
            module.weight.zero_()
            module.bias.zero_()
        if name == "decoder.conv_in":
            for channel in range(inputs):
                module.weight[channel, channel, 2, 1, 1] += 1.0
    elif kernel == [3, 1, 1]:
        module.weight.zero_()
        module.bias.zero_()
        for channel in range(outputs):
            module.weight[channel, channel % inputs, 2] = 1.0
    else:                                              # 1 x 1 x 1: short cuts and the latents' own
        for channel in range(min(inputs, outputs)):
            module.weight[channel] = 0.0
            module.weight[channel, channel] = 1.0
        module.bias.zero_()
