"""Shell completion, in real shells, with the script that `waveflow completion` prints."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.console_script import WAVEFLOW, coverage_settings, run_waveflow
from tests.unit.entrypoints.command_line import CommandLine
from waveflow.entrypoints.cli.catalogue import ENTRIES

_BASH = """
compopt() {{ local IFS=' '; echo "compopt $*"; }}
{script}
COMP_WORDS=({words}) COMP_CWORD={index}
_waveflow_completion waveflow
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
"""Outside a completion, bash has no `compopt`: this one says what it is asked for."""

_ZSH = """
compdef() {{ :; }}
_path_files() {{ echo "_path_files $*"; }}
_describe() {{ print -l -- "${{(@P)3}}"; }}
compadd() {{ print -l -- "${{(@P)5}}"; }}
{script}
words=({words}) CURRENT={index}
_waveflow_completion
"""
"""Outside a completion, zsh has none of these: they print what they would offer."""


def offered(shell: str, folder: Path, *words: str) -> list[str]:
    """What `shell` offers for the last of `words`."""
    script = run_waveflow(["completion", shell], folder).stdout
    quoted = " ".join(map(shlex.quote, words))
    if shell == "fish":
        program = f"{script}\ncomplete -C {shlex.quote(' '.join(words))}"
    else:
        index = len(words) - (shell == "bash")
        program = (_BASH if shell == "bash" else _ZSH).format(
            script=script, words=quoted, index=index
        )
    done = subprocess.run(
        [shell, *{"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]],
        input=program,
        cwd=folder,
        env={"PATH": f"{WAVEFLOW.parent}:{os.environ['PATH']}", "HOME": str(folder)}
        | coverage_settings(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def values(lines: list[str]) -> list[str]:
    """What is offered, without the descriptions that zsh and fish show beside it."""
    return [line.replace("\t", ":").partition(":")[0] for line in lines]


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(shell), reason=f"needs {shell}")


each_shell = pytest.mark.parametrize(
    "shell", [pytest.param(shell, marks=needs(shell)) for shell in ("bash", "zsh", "fish")]
)


@each_shell
class TestInShells:
    def test_commands_are_offered(self, shell: str, folder: Path) -> None:
        found = values(offered(shell, folder, "waveflow", "re"))
        assert sorted(found) == sorted(name for name in ENTRIES if name.startswith("re"))

    def test_options_and_commands_below_commands_are_offered(
        self, shell: str, folder: Path
    ) -> None:
        assert "--stage-id" in values(offered(shell, folder, "waveflow", "mix", "--st"))
        assert values(offered(shell, folder, "waveflow", "queue", "sta")) == ["status"]

    def test_files_are_the_shells_own(self, shell: str, folder: Path) -> None:
        (folder / "song 1.wav").touch()
        found = offered(shell, folder, "waveflow", "analyze", "son")
        assert found[0] in ("compopt -o default", "_path_files -f", "song 1.wav")


class TestValues:
    """Through bash's side of it, in this process."""

    @pytest.mark.parametrize(
        ("words", "found"),
        [
            (["completion", ""], ["plain,bash", "plain,zsh", "plain,fish"]),
            (["config", "webhook_u"], ["plain,WEBHOOK_URL"]),
            (["config", "WEBHOOK_U"], ["plain,WEBHOOK_URL"]),
            (["help", "an"], ["plain,analyze"]),
            (["help", "queue", "red"], ["plain,redrive"]),
            (["send", "h"], ["plain,hash", "plain,health"]),
            (["ingest", "a.wav", "b"], ["file,b"]),
            (["resolve-duplicate", "a"], ["file,a"]),
            (["resolve-duplicate", "a.wav", "--keep", "b"], ["file,b"]),
            (["resend", "--endpoint", "/mix"], ["plain,/mixing-complete"]),
            (["analyse", "--num"], ["plain,--num-peaks"]),
        ],
        ids=" ".join,
    )
    def test_what_can_stand_here_is_offered(
        self,
        waveflow: CommandLine,
        monkeypatch: pytest.MonkeyPatch,
        words: list[str],
        found: list[str],
    ) -> None:
        monkeypatch.setenv("_WAVEFLOW_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", shlex.join(["waveflow", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        outcome = waveflow()
        assert (outcome.code, outcome.err, outcome.out.split()) == (0, "", found)


def test_offering_commands_imports_none_of_them(folder: Path) -> None:
    program = (
        "import sys; from waveflow.entrypoints.cli.main import run; code = run([]);"
        "print(code, *(name for name in sys.modules if name in"
        " ('numpy', 'rich', 'waveflow.entrypoints.cli.audio', 'waveflow.application.documents')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ
        | {"_WAVEFLOW_COMPLETE": "bash_complete", "COMP_WORDS": "waveflow ", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    *commands, last = done.stdout.splitlines()
    assert commands == [f"plain,{name}" for name in ENTRIES]
    assert last == "0"


def test_an_instruction_that_no_shell_gives_is_wrong(
    waveflow: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_WAVEFLOW_COMPLETE", "cmd_complete")
    assert waveflow().code == 1
