# scripts/setup.sh against stand-ins of dpkg, apt-get, sudo and id: what it installs, and what it says if it may not.
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "setup.sh"

DPKG = """#!/bin/sh
for last; do :; done
case " $CAUSEWAY_TEST_MISSING " in *" $last "*) exit 1 ;; esac
printf installed
"""
APT = '#!/bin/sh\necho "$DEBIAN_FRONTEND apt-get $*" >> "$CAUSEWAY_TEST_LOG"\n'
FAILING_ONCE = APT + '[ "$(grep -c " install " "$CAUSEWAY_TEST_LOG")" != 1 ] || case "$*" in *install*) exit 100 ;; esac\n'


class SetUp(unittest.TestCase):
    def run_script(self, missing="", user=0, sudo=False, apt=APT, dpkg=DPKG):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            stands = {"apt-get": apt, "id": f"#!/bin/sh\necho {user}\n",
                      "sudo": '#!/bin/sh\n[ "$1" = -n ] || exit 9\nshift\nexec "$@"\n' if sudo else "#!/bin/sh\nexit 1\n"}
            if dpkg:
                stands["dpkg-query"] = dpkg
            for tool in ("bash", "env", "cat", "grep", "true"):
                (folder / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}")
            for tool, text in stands.items():
                (folder / tool).write_text(text, encoding="utf-8")
                (folder / tool).chmod(stat.S_IRWXU)
            log = folder / "log"
            environment = {"PATH": name, "CAUSEWAY_TEST_MISSING": missing, "CAUSEWAY_TEST_LOG": str(log)}
            answer = subprocess.run([str(folder / "bash"), str(SCRIPT)], env=environment, stdin=subprocess.DEVNULL,
                                    capture_output=True, text=True, timeout=30, check=False)
            calls = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
            return answer, calls

    def test_with_everything_there_nothing_is_called_and_nothing_said(self):
        answer, calls = self.run_script()
        self.assertEqual((answer.returncode, answer.stdout, answer.stderr, calls), (0, "", "", []))

    def test_root_installs_what_is_missing_and_only_that(self):
        answer, calls = self.run_script(missing="ninja-build ffmpeg")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertTrue(calls[-1].startswith("noninteractive apt-get --yes "), calls)
        self.assertTrue(calls[-1].endswith(" ninja-build ffmpeg"), calls)

    def test_a_failed_installation_is_tried_again_with_fresh_lists(self):
        answer, calls = self.run_script(missing="git", apt=FAILING_ONCE)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn(" update", calls[-2])
        self.assertTrue(calls[-1].endswith(" git"), calls)

    def test_sudo_is_used_where_it_asks_nothing(self):
        answer, calls = self.run_script(missing="git", user=1000, sudo=True)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertTrue(calls[-1].endswith(" git"), calls)

    def test_without_root_and_sudo_it_says_what_to_install_and_stops(self):
        answer, calls = self.run_script(missing="libfmt-dev ffmpeg", user=1000)
        self.assertNotEqual(answer.returncode, 0)
        self.assertEqual(answer.stdout, "sudo apt-get install libfmt-dev ffmpeg\n")
        self.assertEqual(calls, [])

    def test_without_dpkg_it_names_the_libraries_and_stops(self):
        answer, calls = self.run_script(dpkg=None)
        self.assertNotEqual(answer.returncode, 0)
        self.assertIn("oneDNN", answer.stderr)
        self.assertEqual(calls, [])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
