# The training's networks against diffusers: the VAE whole and in pieces, the transformer at once and by chunks.
import re
import tempfile
import unittest
from pathlib import Path

import train_demo_support as support
from train_demo_support import SOURCE, stir

support.need()
import numpy as np  # noqa: E402
import torch  # noqa: E402

from train_demo import program_noise, transformer, vae as network  # noqa: E402
from train_demo.generate import History, chunk_flow  # noqa: E402
from train_demo.train_student import draw_places, steps_before  # noqa: E402
from train_demo.train_teacher import OWN_LEVELS, history_of, naming_loss, order_loss, timeline, \
    window_timeline  # noqa: E402
from train_demo.training import Log  # noqa: E402
from train_demo.transformer import flow, make_transformer, text_context  # noqa: E402

TOLERANCE = 1e-4     # of outputs of order one, in float32
TEXT_ROWS = 32       # of context, rows of zeros included
torch.set_num_threads(1)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Case(unittest.TestCase):
    def agree(self, ours, theirs, what=""):
        self.assertEqual(ours.shape, theirs.shape, what)
        self.assertGreater(theirs.std().item(), 0.02, "an output that hardly varies proves nothing")
        self.assertLess((ours - theirs).abs().max().item(), TOLERANCE * max(1.0, theirs.abs().max().item()), what)


class Vae(Case):
    """diffusers goes through a video piece by piece, with caches; training does it in one pass."""

    @classmethod
    def setUpClass(cls):
        torch.manual_seed(3)
        cls.vae = stir(network.make_vae(support.tiny_config()["vae"]), 0.02).eval()
        cls.vae.decoder.conv_out.weight.data *= 0.5   # inside [-1, 1], where diffusers cuts off

    @torch.inference_mode()
    def test_encoding_and_decoding_whole_is_what_diffusers_does_in_pieces(self):
        for frames in (1, 5, 9, 33):
            with self.subTest(frames=frames):
                video = normal(2, 3, frames, 32, 40, seed=frames).clamp(-1.0, 1.0)
                mean, log_variance = network.encode(self.vae, video)
                theirs = self.vae.encode(video).latent_dist
                self.agree(mean, theirs.mean, "mean")
                self.agree(log_variance.clamp(-30.0, 20.0), theirs.logvar, "log-variance")
                latents = normal(2, 16, 1 + (frames - 1) // 4, 4, 5, seed=100 + frames)
                ours, reference = network.decode(self.vae, latents), self.vae.decode(latents).sample
                self.assertEqual(ours.shape, (2, 3, frames, 32, 40))
                self.assertLess((reference.abs() == 1.0).float().mean().item(), 0.05)
                self.agree(ours.clamp(-1.0, 1.0), reference, "frames")


class Transformer(Case):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(4)
        config = support.tiny_config()
        cls.width = config["text"]["width"]
        cls.model = stir(make_transformer(config["transformer"], cls.width), 0.05).eval()
        cls.states, cls.lengths = normal(2, 9, cls.width, seed=1), torch.tensor([9, 5])

    def text(self):
        return text_context(self.model, self.states, self.lengths, TEXT_ROWS)

    @torch.inference_mode()
    def test_the_flow_of_one_chunk_is_diffusers_forward_pass(self):
        x, times = normal(2, 3, 16, 8, 12, seed=2), torch.tensor([937.5, 120.0])
        ours = flow(self.model, x[:, None, None], times[:, None, None], self.text(), [torch.arange(3)],
                    has_clean=False)[:, 0, 0]
        padded = torch.zeros(2, TEXT_ROWS, self.width)
        for row, states, length in zip(padded, self.states, self.lengths):
            row[:length] = states[:length]
        theirs = self.model(x.transpose(1, 2), times, padded, return_dict=False)[0].transpose(1, 2)
        self.agree(ours, theirs)

    def by_chunks(self, clean, noisy, times, frames, history):
        """Flow [B, K, …] of one noisy copy as generation computes it: one chunk at a time, keys kept."""
        flows, text = [], self.text()
        for chunk, first in enumerate(int(f[0]) for f in frames):
            history.roll(clean.shape[2])
            flows.append(chunk_flow(self.model, noisy[:, chunk], float(times[chunk]), text, history, first))
            chunk_flow(self.model, clean[:, chunk], 0.0, text, history, first, keep=True)
        return torch.stack(flows, dim=1)

    def compare(self, frames, visible, counted, make_history):
        side, copies = 4, 2
        clean = normal(2, len(frames), 3, 16, 2 * side, 2 * side, seed=5)
        noisy = normal(2, copies, *clean.shape[1:], seed=6)
        times = torch.tensor([[900.0, 300.0, 650.0, 20.0], [10.0, 999.0, 400.0, 800.0]])[:, :len(frames)]
        all_times = torch.cat([torch.zeros(1, len(frames)), times])[None].expand(2, -1, -1)    # [video, copy, chunk]
        at_once = flow(self.model, torch.cat([clean[:, None], noisy], dim=1), all_times, self.text(), frames, visible)
        for copy in range(copies):
            piecewise = self.by_chunks(clean, noisy[:, copy], times[copy], frames, make_history(side * side))
            self.agree(at_once[:, copy, counted], piecewise[:, counted], f"copy {copy}")
        return at_once

    @torch.inference_mode()
    def test_the_flow_of_three_chunks_is_that_of_generation_with_kept_keys(self):
        frames, visible, counted = timeline(3, 3, 4, 0.0, torch.Generator().manual_seed(0))
        self.assertIsNone(visible)
        self.compare(frames, visible, counted, lambda tokens: History(2, tokens))

    @torch.inference_mode()
    def test_chunks_moved_on_in_time_see_what_a_rolling_window_with_a_sink_leaves(self):
        frames, visible, counted = timeline(3, 3, 4, 1.0, torch.Generator().manual_seed(7))
        self.assertGreater(int(frames[1][0]), 3)
        moved = self.compare(frames, visible, counted, lambda tokens: History(2, tokens, window=7, sink=1))
        # The window is really narrower than the history: with all of it the last chunk comes out otherwise.
        whole = self.compare(frames, None, [0, 1, 2], lambda tokens: History(2, tokens))
        self.assertGreater((moved - whole)[:, :, 2].abs().max().item(), 10 * TOLERANCE)

    @torch.inference_mode()
    def test_chunks_of_long_clips_see_what_a_rolling_window_with_a_sink_leaves(self):
        class AfterGap(History):
            """Where chunks are left out, chunk 0 has been forgotten but for the sink when the next one comes."""

            def roll(self, incoming):
                held = 0 if self.keys[0] is None else self.keys[0].shape[2] // self.tokens
                self.window = 4 if held == 3 else 7
                super().roll(incoming)

        frames, visible, counted = window_timeline([0, 1, 2, 3], 3, 4)
        self.assertEqual(([f.tolist() for f in frames], counted),
                         ([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]], [0, 1, 2, 3]))
        self.compare(frames, visible, counted, lambda tokens: History(2, tokens, window=7, sink=1))
        frames, visible, counted = window_timeline([0, 5, 6, 7], 3, 4)
        self.assertEqual((frames[3].tolist(), counted), ([21, 22, 23], [0, 2, 3]))
        self.compare(frames, visible, counted, lambda tokens: AfterGap(2, tokens, window=7, sink=1))

    def history(self, clean, phase, seed):
        frames, visible, _ = timeline(3, 3, 4, 0.0, torch.Generator().manual_seed(0))
        text = text_context(self.model, self.states[:1], self.lengths[:1], TEXT_ROWS)
        return history_of(clean, phase, self.model, text, frames, visible, torch.Generator().manual_seed(seed))

    @torch.inference_mode()
    def test_a_guessed_history_is_what_one_step_of_generation_makes_of_noisy_chunks(self):
        clean = normal(1, 3, 3, 16, 8, 8, seed=9)
        guessed = self.history(clean, {"own_history": 1.0}, seed=10)
        generator = torch.Generator().manual_seed(10)     # the same draws, one after the other
        torch.rand((), generator=generator)
        low, high = OWN_LEVELS
        levels = low + (high - low) * torch.rand(1, 1, 3, generator=generator)[0, 0]
        noise = torch.randn(1, 1, *clean.shape[1:], generator=generator)[:, 0]
        shaped = levels.view(1, 3, 1, 1, 1, 1)
        noisy = (1.0 - shaped) * clean + shaped * noise
        self.states, self.lengths = self.states[:1], self.lengths[:1]
        flows = self.by_chunks(clean, noisy, 1000.0 * levels, [torch.arange(3) + 3 * chunk for chunk in range(3)],
                               History(2, 16))
        self.agree(guessed, noisy - shaped * flows)

    @torch.inference_mode()
    def test_a_history_is_clean_or_a_little_noisy_as_the_phase_says(self):
        clean = normal(1, 3, 3, 16, 8, 8, seed=11)
        self.assertTrue(torch.equal(self.history(clean, {}, seed=12), clean))
        spread = [(self.history(clean, {"history_noise": 0.3}, seed) - clean).std().item() for seed in range(20)]
        self.assertLess(max(spread), 0.31)
        self.assertGreater(max(spread), 0.2)
        self.assertLess(min(spread), 0.1)

    @torch.inference_mode()
    def test_a_chunk_depends_on_the_chunks_before_it_and_on_none_after(self):
        frames = [torch.arange(3) + 3 * chunk for chunk in range(3)]
        clean = normal(1, 2, 3, 3, 16, 8, 8, seed=8)      # clean and one noisy copy
        times = torch.tensor([[[0.0, 0.0, 0.0], [500.0, 500.0, 500.0]]])
        text = text_context(self.model, self.states[:1], self.lengths[:1], TEXT_ROWS)
        before = flow(self.model, clean, times, text, frames)
        clean[:, 0, 1] += 1.0
        change = (flow(self.model, clean, times, text, frames) - before).abs().amax(dim=(0, 1, 3, 4, 5, 6))
        self.assertEqual(change[:2].tolist(), [0.0, 0.0])
        self.assertGreater(change[2].item(), 10 * TOLERANCE)


class Heads(unittest.TestCase):
    NAMES = (5, 7, 3, 8, 8, 8, 3)

    def scores(self, attributes, place):
        """Scores [1, 1, 1, 192, sum of names] that are sure of the given answers [1, 1, 3, 8, 8, 7]."""
        wanted = torch.cat([attributes.clamp(min=0), place], dim=-1).flatten(2, 4)[:, None]
        return 20.0 * torch.cat([torch.nn.functional.one_hot(wanted[..., i], size)
                                 for i, size in enumerate(self.NAMES)], dim=-1).float()

    def test_naming_counts_attributes_where_objects_are_and_places_everywhere(self):
        attributes = torch.full((1, 1, 3, 8, 8, 4), -1)
        attributes[0, 0, :, 2:4, 5] = torch.tensor([4, 6, 2, 7])
        place = torch.stack(torch.meshgrid(torch.arange(3), torch.arange(8), torch.arange(8), indexing="ij"), dim=-1)
        place = place[None, None][..., [1, 2, 0]]
        self.assertLess(naming_loss(self.scores(attributes, place), attributes, self.NAMES).item(), 1e-4)
        elsewhere = attributes.clone()
        elsewhere[0, 0, :, 0, 0] = torch.tensor([1, 1, 1, 1])   # said of a token without an object
        self.assertLess(naming_loss(self.scores(elsewhere, place), attributes, self.NAMES).item(), 1e-4)
        for wrong in range(4):
            said = attributes.clone()
            said[0, 0, :, 2:4, 5, wrong] = 0
            self.assertAlmostEqual(naming_loss(self.scores(said, place), attributes, self.NAMES).item(), 20.0, 3)
        for wrong in range(3):
            loss = naming_loss(self.scores(attributes, place.flip(2 + (1, 2, 0)[wrong])), attributes, self.NAMES)
            self.assertGreater(loss.item(), 10.0)

    def test_order_is_what_stands_before_and_after_the_conjunction(self):
        ids = torch.tensor([[5, 9, 6, 1, 0, 0], [5, 6, 7, 1, 0, 0]])
        sure = torch.tensor([[0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]])   # padding does not count
        scores = 20.0 * torch.nn.functional.one_hot(sure, 2).float()
        self.assertLess(order_loss(scores, ids, 9).item(), 1e-4)
        self.assertAlmostEqual(order_loss(scores, ids, 6).item(), 20.0 * 4 / 8, 3)


class Draws(unittest.TestCase):
    CONFIG = {"schedule": {"steps": [1000, 750, 500, 250]}, "student": {"grid": 16, "used_share": 0.25}}

    def places(self, phase):
        return draw_places(self.CONFIG, phase, (4, 100, 5), torch.Generator().manual_seed(1)).flatten().tolist()

    def test_levels_of_generation_are_drawn_as_often_as_the_phase_says(self):
        places = self.places({})
        self.assertEqual(set(places), set(range(16)))
        share = sum(place in (0, 4, 8, 12) for place in places) / len(places)
        self.assertAlmostEqual(share, 0.25 + 0.75 * 4 / 16, delta=0.05)
        places = self.places({"used_share": 1, "odds": [2, 0, 1, 1]})
        for place, expected in ((0, 0.5), (4, 0.0), (8, 0.25), (12, 0.25)):
            self.assertAlmostEqual(places.count(place) / len(places), expected, delta=0.05)

    def test_own_guesses_come_from_the_step_before_and_never_from_pure_noise(self):
        places = torch.tensor([[0, 4, 6, 8, 12, 15]]).expand(400, -1)
        earlier, chosen = steps_before(self.CONFIG, {"own_input": 0.5}, places, torch.Generator().manual_seed(2))
        self.assertEqual(earlier[0, 1:].tolist(), [0, 4, 4, 8, 12])
        self.assertEqual(chosen[:, :2].sum().item(), 0)
        self.assertAlmostEqual(chosen[:, 2:].float().mean().item(), 0.5, delta=0.05)


class Training(unittest.TestCase):
    def test_a_loss_that_is_no_number_ends_the_training(self):
        with tempfile.TemporaryDirectory() as folder:
            log = Log(Path(folder) / "log.jsonl", every=1)
            log.add(0, {"loss": torch.tensor(1.0)})
            with self.assertRaisesRegex(SystemExit, "step 2.*diverged"):
                log.add(1, {"loss": torch.tensor(float("nan"))})

    def test_compiled_blocks_give_the_same_flow(self):
        plain = transformer.block_start, transformer.block_end
        self.addCleanup(lambda: vars(transformer).update(zip(("block_start", "block_end"), plain)))
        width = 32
        model = stir(make_transformer({"heads": 2, "head_dim": 12, "ffn_dim": 32, "layers": 2}, width), 0.05).eval()
        text = text_context(model, normal(1, 4, width), torch.tensor([3]), TEXT_ROWS)
        given = (model, normal(1, 1, 1, 1, 16, 4, 4), torch.tensor([[[500.0]]]), text, [torch.arange(1)])
        with torch.no_grad():
            expected = flow(*given, has_clean=False)
            transformer.compile_blocks()
            compiled = flow(*given, has_clean=False)
        self.assertIsNot(transformer.block_end, plain[1])
        self.assertLess((compiled - expected).abs().max().item(), 1e-4 * expected.abs().max().item())


class Noise(unittest.TestCase):
    """Known answers that another implementation computed with 60 digits (scripts/make_noise_vectors.py)."""

    @classmethod
    def setUpClass(cls):
        cls.vectors = (SOURCE / "tests/kernels/noise_vectors.hpp").read_text(encoding="utf-8")

    def test_keys_are_the_known_ones(self):
        found = re.findall(r"\{(\d+)ull, (\d+)ull, (\d+)u, (\d+)u, (\d+)u, 0x(\w+)ull\}", self.vectors)
        self.assertGreater(len(found), 3)
        purposes = {number: word for word, number in program_noise.PURPOSES.items()}
        for seed, sample, purpose, chunk, step, key in found:
            self.assertEqual(program_noise.noise_key(int(seed), int(sample), purposes[int(purpose)], int(chunk),
                                                     int(step)), int(key, 16))

    def test_numbers_have_the_known_bits(self):
        found = re.findall(r"\{0x(\w+)ull, (\d+)ull, 0x(\w+)u\}", self.vectors)
        self.assertGreater(len(found), 30)
        for key, element, bits in found:
            number = program_noise.normal_numbers(int(key, 16), [int(element)])
            self.assertEqual(number.view(np.uint32)[0], int(bits, 16), (key, element))

    def test_a_draw_is_laid_out_frame_by_frame_and_each_video_has_its_own(self):
        noise = program_noise.program_noise(3, [11, 12], (2, 3, 16, 4, 6))("renoise", 1, 2)
        self.assertEqual((noise.shape, noise.dtype), ((2, 3, 16, 4, 6), torch.float32))
        for video, sample in enumerate((11, 12)):
            key = program_noise.noise_key(3, sample, "renoise", 1, 2)
            channel, frame, row, column = 7, 2, 3, 5
            element = ((channel * 3 + frame) * 4 + row) * 6 + column
            self.assertEqual(noise[video, frame, channel, row, column].item(),
                             program_noise.normal_numbers(key, [element])[0])
        with self.assertRaisesRegex(ValueError, "sample numbers"):
            program_noise.program_noise(3, [11], (2, 3, 16, 4, 6))


if __name__ == "__main__":
    unittest.main(verbosity=2)
