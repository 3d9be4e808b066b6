"""The starting point of a run: two kinds of heads that recall needs, written by hand into the first weights.

Left alone, such heads form after far more tokens than a CPU gives. In the first block, heads look one, two and three
tokens back and write a short code of what they see into a part of the residual stream that is kept free for it. In
the third, a head of each KV group looks for positions whose last three tokens are the present three, and raises the
likelihood of the token found there. Everything else starts at random, and training changes all of it.
"""
from __future__ import annotations

import torch

from model import Model

CODE = 12  # values of a token's code; three codes fill the slower RoPE pairs, which far positions leave comparable
BACK, MATCH = 0, 2  # blocks, both among the first that run
OFFSETS = (1, 2, 3)


@torch.no_grad()
def prime(model: Model) -> None:
    c = model.config
    hd, kv, groups, per = c.head_dim, c.kv_heads * c.head_dim, c.kv_heads, c.heads // c.kv_heads
    quiet = c.dim - groups * len(OFFSETS) * CODE  # from here on the stream carries codes of earlier tokens

    # Dimension 0 is the same for all tokens; then one code for each group, of one length; then the rest.
    emb = model.emb.normal_()
    emb[:, 0] = 3.0
    for g in range(groups):
        code = emb[:, 1 + g * CODE:1 + (g + 1) * CODE]
        code.mul_(CODE ** 0.5 / code.norm(dim=1, keepdim=True))
    emb[:, quiet:] = 0
    model.norms[-1] = 0.04  # logits start small, though embeddings have a size that blocks do not drown at once

    def channel(group: int, offset: int) -> slice:
        start = quiet + (group * len(OFFSETS) + offset - 1) * CODE
        return slice(start, start + CODE)

    # Query and key are constants: their product peaks where positions differ by the offset, six nats above the next.
    qkv, out, freqs = model.mats[f"{BACK}_qkv"], model.mats[f"{BACK}_out"], model.freqs.float()
    sharp = (6.0 * hd ** 0.5 / float((1 - freqs.cos()).sum())) ** 0.5
    constant = 3.0 / float(emb[0].square().mean().sqrt())
    qkv[:c.dim + kv] = 0
    qkv[c.dim:c.dim + kv:2, 0] = sharp / constant
    for g in range(groups):
        v = c.dim + kv + g * hd
        qkv[v:v + CODE] = 0
        qkv[v:v + CODE, 1 + g * CODE:1 + (g + 1) * CODE] = torch.eye(CODE)
        for j, offset in enumerate(OFFSETS):
            head = (g * per + j) * hd
            qkv[head:head + hd, 0] = torch.stack([(offset * freqs).cos(), -(offset * freqs).sin()], 1).flatten() * sharp / constant
            out[channel(g, offset), head:head + CODE] = torch.eye(CODE)

    # The present token and the two before it, against the three before a key.
    qkv, out = model.mats[f"{MATCH}_qkv"], model.mats[f"{MATCH}_out"]
    for g in range(groups):
        q, k, v = g * per * hd, c.dim + g * hd, c.dim + kv + g * hd
        for block in (q, k):
            qkv[block:block + hd] = 0
        for j, offset in enumerate(OFFSETS):
            rows = torch.arange(hd - len(OFFSETS) * CODE + j * 2, hd, 2 * len(OFFSETS))
            rows = torch.stack([rows, rows + 1], 1).flatten()  # whole pairs, spread over the frequencies
            now = slice(1 + g * CODE, 1 + (g + 1) * CODE) if offset == 1 else channel(g, offset - 1)
            qkv[(q + rows)[:, None], torch.arange(c.dim)[now]] = 2.0 * torch.eye(CODE)
            qkv[(k + rows)[:, None], torch.arange(c.dim)[channel(g, offset)]] = 2.0 * torch.eye(CODE)
        read = slice(1 + g * hd, 1 + (g + 1) * hd)
        qkv[v:v + hd] = 0
        qkv[v:v + hd, read] = torch.eye(hd)
        out[read, g * per * hd:g * per * hd + hd] = 6.0 * torch.eye(hd)
