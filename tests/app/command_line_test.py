# The command line as a person meets it: help, version, and what is said about mistakes.
import os
import re
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["CAUSEWAY_PROGRAM"]
SOURCE = os.environ["CAUSEWAY_SOURCE"]


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


class CommandLine(unittest.TestCase):
    def test_version_names_commit_compiler_and_libraries(self):
        answer = run("--version")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertRegex(answer.stdout, r"^causeway \d+\.\d+\.\d+ \([^)]+\)\n")
        self.assertRegex(answer.stdout, r"(?m)^  compiler +\S+ \d+")
        self.assertRegex(answer.stdout, r"(?m)^  CUDA +\S+")
        for library in ("MPI", "oneDNN", "HDF5", "libavcodec", "yaml-cpp", "Boost"):
            self.assertRegex(answer.stdout, rf"{library} \d+\.\d+")

    def test_help_is_there_for_the_program_and_for_each_command(self):
        for arguments, words in (
            (["--help"], ["generate", "inspect", "--version", "Exit codes"]),
            (["generate", "--help"], ["CONFIG", "--prompts", "--out", "--set", "--limit", "--dry-run", "--print-config",
                                    "--show-placement"]),
            (["bench", "--help"], ["CONFIG", "--videos", "--json", "--set", "--show-placement"]),
            (["inspect", "--help"], ["PATH", "--json"]),
        ):
            answer = run(*arguments)
            self.assertEqual(answer.returncode, 0, answer.stderr)
            for word in words:
                self.assertIn(word, answer.stdout, arguments)

    def test_a_wrong_command_line_ends_with_code_2_and_says_what_to_try(self):
        for arguments, words in (
            ([], "usage"),
            (["generat"], "unknown command 'generat'"),
            (["generate"], "no configuration file"),
            (["generate", "a.yaml", "b.yaml"], "2 configuration files"),
            (["generate", "--no-such-option"], "causeway generate --help"),
            (["generate", "a.yaml", "--limit", "many"], "--limit is 'many'"),
            (["bench"], "no configuration file; try causeway bench --help"),
            (["bench", "a.yaml", "--videos", "0"], "--videos is '0'"),
            (["bench", "--no-such-option"], "causeway bench --help"),
            (["inspect"], "causeway inspect --help"),
            (["inspect", "--no-such-option"], "causeway inspect --help"),
        ):
            answer = run(*arguments)
            self.assertEqual(answer.returncode, 2, (arguments, answer.stderr))
            self.assertIn(words, answer.stderr, arguments)
            self.assertEqual(answer.stdout, "", arguments)

    def test_inspecting_what_is_not_there_ends_with_code_3(self):
        with tempfile.TemporaryDirectory() as folder:
            answer = run("inspect", os.path.join(folder, "nothing"))
        self.assertEqual(answer.returncode, 3, answer.stderr)
        self.assertIn("nothing", answer.stderr)

    def test_the_printed_configuration_is_one_that_means_the_same(self):
        first = run("generate", "--print-config", os.path.join(SOURCE, "configs/runs/demo.yaml"), "--set", "video.fps=25")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertTrue(re.search(r"(?m)^  fps: 25 +# ", first.stdout), first.stdout)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "printed.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(first.stdout)
            second = run("generate", "--print-config", path)
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertEqual(second.stdout, first.stdout)

    def test_the_defaults_can_be_printed_without_a_configuration(self):
        answer = run("generate", "--print-config")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        for line in ("height: 480", "frames: 81", "shift: 5", "codec: libx264"):
            self.assertIn(line, answer.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
