"""`roll-out.sh`: one instance after the other, and all back when one of them fails."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.machine.stand_ins import StandIns
from tests.support.machine.unit_file import UNITS
from tests.support.processes import eventually

OLD, NEW = "registry.test/waveflow@sha256:old", "registry.test/waveflow@sha256:new"
# Systems Manager in a few lines: the parameter is a file, a command's status depends on its image.
AWS = """
here={folder}
case "$2" in
  get-parameter) cat $here/parameter ;;
  put-parameter) echo "${{@: -1}}" > $here/parameter ;;
  send-command) echo $* | grep -o 'Image=[^ ]*' > $here/image; touch $here/looked; echo c-1 ;;
  list-commands)
    if [ "$3" != --command-id ]; then
      if [ -s $here/others ]; then
        sed -i 1d $here/others
        echo '{{"Commands": [{{"CommandId": "c-0"}}]}}'
      else echo '{{"Commands": []}}'; fi
      exit
    fi
    if [ -e $here/endless ]; then echo InProgress InProgress; exit; fi
    if [ -e $here/looked ]; then rm $here/looked; echo InProgress InProgress; exit; fi
    if [ -s $here/unanswered ]; then sed -i 1d $here/unanswered; exit 254; fi
    if [ -e $here/nobody ]; then echo Success NoInstancesInTag; exit; fi
    if grep -q "$(cat $here/fails)" $here/image; then echo Failed Failed
    else echo Success Success; fi ;;
  cancel-command) rm $here/endless ;;
  list-command-invocations)
    echo '{{"CommandInvocations": [{{"InstanceId": "i-1", "StatusDetails": "Whatever",'
    echo '"CommandPlugins": [{{"Output": "deploy.sh: what it said"}}]}}]}}' ;;
esac
"""


@pytest.fixture
def account(tmp_path: Path) -> StandIns:
    stand_ins = StandIns(tmp_path)
    stand_ins.command("aws", AWS.format(folder=tmp_path))
    (tmp_path / "parameter").write_text(f"{OLD}\n")
    (tmp_path / "fails").write_text("nothing\n")
    return stand_ins


def roll_out(account: StandIns, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings: Mapping[str, str] = {"STACK": "audio", "PAUSE_S": "0"}
    return account.run(UNITS / "roll-out.sh", *arguments, environment=settings)


def test_new_instances_get_the_image_first_and_running_ones_one_at_a_time(
    account: StandIns,
) -> None:
    result = roll_out(account, NEW)
    assert result.returncode == 0, result.stdout
    assert (account.folder / "parameter").read_text() == f"{NEW}\n"
    assert "deploy.sh: what it said" in result.stdout
    verbs = [call.split()[2] for call in account.calls("aws")]
    assert verbs.index("put-parameter") < verbs.index("send-command")
    [command] = account.calls("aws ssm send-command")
    for option in (
        "--document-name waveflow-deploy",
        f"--parameters Image={NEW}",
        "--targets Key=tag:waveflow-stack,Values=audio",
        "--max-concurrency 1",
        "--max-errors 0",
    ):
        assert option in command
    assert len(account.calls("aws ssm list-commands --command-id c-1")) == 2  # It waits.


def test_when_an_instance_fails_all_of_them_and_the_parameter_go_back(account: StandIns) -> None:
    (account.folder / "fails").write_text("new\n")
    result = roll_out(account, NEW)
    assert result.returncode == 1
    assert (account.folder / "parameter").read_text() == f"{OLD}\n"
    commands = account.calls("aws ssm send-command")
    assert [OLD in command for command in commands] == [False, True]
    assert f"back to {OLD}" in result.stdout


def test_the_first_roll_out_of_all_has_nothing_to_go_back_to(account: StandIns) -> None:
    (account.folder / "parameter").write_text("none\n")
    (account.folder / "fails").write_text("new\n")
    result = roll_out(account, NEW)
    assert result.returncode == 1
    assert (account.folder / "parameter").read_text() == "none\n"
    assert len(account.calls("aws ssm send-command")) == 1


def test_where_no_instance_runs_yet_the_first_one_will_have_the_image(account: StandIns) -> None:
    (account.folder / "nobody").touch()
    result = roll_out(account, NEW)
    assert result.returncode == 0
    assert "no instance with the tag waveflow-stack=audio runs" in result.stdout
    assert (account.folder / "parameter").read_text() == f"{NEW}\n"


def test_a_roll_out_that_cannot_be_asked_after_for_a_while_goes_on(account: StandIns) -> None:
    (account.folder / "unanswered").write_text("once\ntwice\n")
    result = roll_out(account, NEW)
    assert result.returncode == 0, result.stdout
    assert (account.folder / "parameter").read_text() == f"{NEW}\n"


def test_a_command_that_nobody_may_send_puts_the_parameter_back(account: StandIns) -> None:
    play = AWS.format(folder=account.folder)
    account.command("aws", f'if [ "$2" = send-command ]; then exit 254; fi\n{play}')
    result = roll_out(account, NEW)
    assert result.returncode == 1
    assert (account.folder / "parameter").read_text() == f"{OLD}\n"
    assert account.calls("aws ssm list-commands --command-id") == []


def test_what_another_roll_out_has_left_under_way_is_waited_for(account: StandIns) -> None:
    (account.folder / "others").write_text("once\ntwice\n")
    result = roll_out(account, NEW)
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("waits for the end of c-0") == 1
    verbs = [call.split()[2] for call in account.calls("aws")]
    # What there was before is only known then.
    assert verbs[:4] == ["list-commands"] * 3 + ["get-parameter"]


def test_where_it_cannot_be_asked_for_others_nothing_is_changed(account: StandIns) -> None:
    account.command("aws", "exit 254")
    result = roll_out(account, NEW)
    assert result.returncode == 1
    assert "nothing was changed" in result.stdout
    assert {call.split()[2] for call in account.calls("aws")} == {"list-commands"}


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT, signal.SIGTERM]])
def test_interrupted_it_takes_back_what_it_can_within_seconds(
    account: StandIns, signals: list[signal.Signals]
) -> None:
    (account.folder / "endless").touch()
    asked = "aws ssm list-commands --command-id"
    with subprocess.Popen(
        [UNITS / "roll-out.sh", NEW],
        # Longer than whoever interrupts it has patience for.
        env={"PATH": f"{account.folder / 'bin'}:{os.environ['PATH']}", "PAUSE_S": "3600"},
        start_new_session=True,
    ) as process:
        try:
            assert eventually(lambda: (account.folder / "calls").exists() and account.calls(asked))
            for each in signals:
                process.send_signal(each)
            assert eventually(lambda: len(account.calls("aws ssm send-command")) == 2)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    verbs = [call.split()[2] for call in account.calls("aws")]
    last = [verb for verb in verbs if verb not in ("list-commands", "list-command-invocations")]
    assert last == [
        *("get-parameter", "put-parameter", "send-command"),
        *("put-parameter", "cancel-command", "send-command"),
    ]
    assert account.calls("aws ssm cancel-command") == ["aws ssm cancel-command --command-id c-1"]
    assert (account.folder / "parameter").read_text() == f"{OLD}\n"
    assert OLD in account.calls("aws ssm send-command")[1]


def test_a_parameter_that_cannot_be_written_leaves_everything_as_it_is(account: StandIns) -> None:
    play = AWS.format(folder=account.folder)
    account.command("aws", f'if [ "$2" = put-parameter ]; then exit 254; fi\n{play}')
    result = roll_out(account, NEW)
    assert result.returncode == 1
    assert "nothing was changed" in result.stdout
    assert account.calls("aws ssm send-command") == []


def test_a_parameter_that_cannot_be_read_ends_it_before_anything_is_changed(
    account: StandIns,
) -> None:
    play = AWS.format(folder=account.folder)
    account.command("aws", f'if [ "$2" = get-parameter ]; then exit 254; fi\n{play}')
    result = roll_out(account, NEW)
    assert result.returncode != 0
    assert {call.split()[2] for call in account.calls("aws")} == {"list-commands", "get-parameter"}


@pytest.mark.parametrize("arguments", [[], ["--help"], ["one", "two"]])
def test_wrong_usage_says_how_it_is_meant(account: StandIns, arguments: list[str]) -> None:
    result = roll_out(account, *arguments)
    assert result.returncode == 2
    assert "roll-out.sh IMAGE" in result.stdout
    assert account.calls() == []
