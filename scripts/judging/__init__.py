"""Judging videos of the synthetic world by plain image measurement: `judge_clip(frames, prompt)`.

Everything here is numpy and scipy; nothing is learnt, rendered or fetched. `objects` finds and follows
the objects, `outlines` and `motions` name what they are and do, `verdicts` compares that with the prompt,
`runs` reads videos from disk, and `tally` counts.
"""
from .verdicts import judge_clip

__all__ = ["judge_clip"]
