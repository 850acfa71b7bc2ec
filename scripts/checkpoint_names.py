# Names and shapes of every tensor of a Wan2.1 checkpoint, in both published namings.
"""Every function returns a list of (original name, diffusers name, shape), in the network's order.

Original names are those of the Wan2.1 release, diffusers names those of `WanTransformer3DModel`,
`AutoencoderKLWan` (diffusers) and `UMT5EncoderModel` (transformers). No tensor differs in shape
between the two. Needs the Python standard library only.
"""


def _with_bias(wan, diffusers, shape):
    return [(f"{wan}.weight", f"{diffusers}.weight", shape),
            (f"{wan}.bias", f"{diffusers}.bias", shape[:1])]


def transformer_tensors(dim, ffn_dim, layers, text_dim, freq_dim=256, channels=16):
    """The video transformer: 15 tensors and 27 per block."""
    embedder = "condition_embedder."
    rows = _with_bias("patch_embedding", "patch_embedding", (dim, channels, 1, 2, 2))
    rows += _with_bias("text_embedding.0", embedder + "text_embedder.linear_1", (dim, text_dim))
    rows += _with_bias("text_embedding.2", embedder + "text_embedder.linear_2", (dim, dim))
    rows += _with_bias("time_embedding.0", embedder + "time_embedder.linear_1", (dim, freq_dim))
    rows += _with_bias("time_embedding.2", embedder + "time_embedder.linear_2", (dim, dim))
    rows += _with_bias("time_projection.1", embedder + "time_proj", (6 * dim, dim))
    for layer in range(layers):
        rows += _transformer_block(f"blocks.{layer}.", dim, ffn_dim)
    rows.append(("head.modulation", "scale_shift_table", (1, 2, dim)))
    return rows + _with_bias("head.head", "proj_out", (4 * channels, dim))


def _transformer_block(prefix, dim, ffn_dim):
    rows = [(prefix + "modulation", prefix + "scale_shift_table", (1, 6, dim))]
    for wan, diffusers in (("self_attn", "attn1"), ("cross_attn", "attn2")):
        for letter in "qkvo":
            target = "to_out.0" if letter == "o" else f"to_{letter}"
            rows += _with_bias(f"{prefix}{wan}.{letter}", f"{prefix}{diffusers}.{target}",
                               (dim, dim))
        for letter in "qk":
            name = f"norm_{letter}.weight"
            rows.append((f"{prefix}{wan}.{name}", f"{prefix}{diffusers}.{name}", (dim,)))
    # The release calls the norm before cross-attention norm3, diffusers norm2.
    rows += _with_bias(prefix + "norm3", prefix + "norm2", (dim,))
    rows += _with_bias(prefix + "ffn.0", prefix + "ffn.net.0.proj", (ffn_dim, dim))
    return rows + _with_bias(prefix + "ffn.2", prefix + "ffn.net.2", (dim, ffn_dim))


def vae_tensors(base_dim=96, z_dim=16, dim_mult=(1, 2, 4, 4), num_res_blocks=2,
                temporal_downsample=(False, True, True)):
    """The causal 3-D VAE: 194 tensors for the published structure, at any width."""
    rows = _vae_encoder(base_dim, z_dim, dim_mult, num_res_blocks, temporal_downsample)
    rows += _with_bias("conv1", "quant_conv", (2 * z_dim, 2 * z_dim, 1, 1, 1))
    rows += _with_bias("conv2", "post_quant_conv", (z_dim, z_dim, 1, 1, 1))
    return rows + _vae_decoder(base_dim, z_dim, dim_mult, num_res_blocks, temporal_downsample[::-1])


def _vae_residual(wan, diffusers, fan_in, fan_out):
    rows = [(f"{wan}.residual.0.gamma", f"{diffusers}.norm1.gamma", (fan_in, 1, 1, 1))]
    rows += _with_bias(f"{wan}.residual.2", f"{diffusers}.conv1", (fan_out, fan_in, 3, 3, 3))
    rows.append((f"{wan}.residual.3.gamma", f"{diffusers}.norm2.gamma", (fan_out, 1, 1, 1)))
    rows += _with_bias(f"{wan}.residual.6", f"{diffusers}.conv2", (fan_out, fan_out, 3, 3, 3))
    if fan_in != fan_out:
        rows += _with_bias(f"{wan}.shortcut", f"{diffusers}.conv_shortcut",
                           (fan_out, fan_in, 1, 1, 1))
    return rows


def _vae_middle(part, dim):
    attention = (f"{part}.middle.1", f"{part}.mid_block.attentions.0")
    rows = _vae_residual(f"{part}.middle.0", f"{part}.mid_block.resnets.0", dim, dim)
    rows.append((f"{attention[0]}.norm.gamma", f"{attention[1]}.norm.gamma", (dim, 1, 1)))
    rows += _with_bias(f"{attention[0]}.to_qkv", f"{attention[1]}.to_qkv", (3 * dim, dim, 1, 1))
    rows += _with_bias(f"{attention[0]}.proj", f"{attention[1]}.proj", (dim, dim, 1, 1))
    return rows + _vae_residual(f"{part}.middle.2", f"{part}.mid_block.resnets.1", dim, dim)


def _vae_head(part, dim, out):
    rows = [(f"{part}.head.0.gamma", f"{part}.norm_out.gamma", (dim, 1, 1, 1))]
    return rows + _with_bias(f"{part}.head.2", f"{part}.conv_out", (out, dim, 3, 3, 3))


def _vae_encoder(base_dim, z_dim, dim_mult, num_res_blocks, temporal):
    dims = [base_dim] + [base_dim * m for m in dim_mult]
    rows = _with_bias("encoder.conv1", "encoder.conv_in", (base_dim, 3, 3, 3, 3))
    index = 0
    for level, out in enumerate(dims[1:]):
        fan_in = dims[level]
        for _ in range(num_res_blocks):
            rows += _vae_residual(f"encoder.downsamples.{index}", f"encoder.down_blocks.{index}",
                                  fan_in, out)
            fan_in, index = out, index + 1
        if level < len(dim_mult) - 1:
            pair = (f"encoder.downsamples.{index}", f"encoder.down_blocks.{index}")
            rows += _with_bias(f"{pair[0]}.resample.1", f"{pair[1]}.resample.1", (out, out, 3, 3))
            if temporal[level]:
                rows += _with_bias(f"{pair[0]}.time_conv", f"{pair[1]}.time_conv",
                                   (out, out, 3, 1, 1))
            index += 1
    return rows + _vae_middle("encoder", dims[-1]) + _vae_head("encoder", dims[-1], 2 * z_dim)


def _vae_decoder(base_dim, z_dim, dim_mult, num_res_blocks, temporal):
    dims = [base_dim * dim_mult[-1]] + [base_dim * m for m in reversed(dim_mult)]
    rows = _with_bias("decoder.conv1", "decoder.conv_in", (dims[0], z_dim, 3, 3, 3))
    rows += _vae_middle("decoder", dims[0])
    index = 0
    for level, out in enumerate(dims[1:]):
        # Each up-sampler halves the channels.
        fan_in = dims[level] if level == 0 else dims[level] // 2
        for block in range(num_res_blocks + 1):
            rows += _vae_residual(f"decoder.upsamples.{index}",
                                  f"decoder.up_blocks.{level}.resnets.{block}", fan_in, out)
            fan_in, index = out, index + 1
        if level < len(dim_mult) - 1:
            pair = (f"decoder.upsamples.{index}", f"decoder.up_blocks.{level}.upsamplers.0")
            rows += _with_bias(f"{pair[0]}.resample.1", f"{pair[1]}.resample.1",
                               (out // 2, out, 3, 3))
            if temporal[level]:
                rows += _with_bias(f"{pair[0]}.time_conv", f"{pair[1]}.time_conv",
                                   (2 * out, out, 3, 1, 1))
            index += 1
    return rows + _vae_head("decoder", dims[-1], 3)


def text_encoder_tensors(vocab, width, heads, head_dim, ffn_dim, layers, buckets=32):
    """The umT5 encoder: 2 tensors and 10 per layer; no biases, position tables in every layer."""
    inner = heads * head_dim
    rows = [("token_embedding.weight", "shared.weight", (vocab, width))]
    for layer in range(layers):
        wan, attention = f"blocks.{layer}.", f"encoder.block.{layer}.layer.0."
        feed_forward = f"encoder.block.{layer}.layer.1."
        rows.append((wan + "norm1.weight", attention + "layer_norm.weight", (width,)))
        for letter in "qkvo":
            shape = (width, inner) if letter == "o" else (inner, width)
            rows.append((f"{wan}attn.{letter}.weight", f"{attention}SelfAttention.{letter}.weight",
                         shape))
        rows += [
            (wan + "pos_embedding.embedding.weight",
             attention + "SelfAttention.relative_attention_bias.weight", (buckets, heads)),
            (wan + "norm2.weight", feed_forward + "layer_norm.weight", (width,)),
            (wan + "ffn.gate.0.weight", feed_forward + "DenseReluDense.wi_0.weight",
             (ffn_dim, width)),
            (wan + "ffn.fc1.weight", feed_forward + "DenseReluDense.wi_1.weight", (ffn_dim, width)),
            (wan + "ffn.fc2.weight", feed_forward + "DenseReluDense.wo.weight", (width, ffn_dim)),
        ]
    return rows + [("norm.weight", "encoder.final_layer_norm.weight", (width,))]
