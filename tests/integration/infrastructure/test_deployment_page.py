"""docs/deployment.md and docs/aws.md name only what exists."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.stack import template

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "deployment.md").read_text()
PAGES = ["aws.md", "deployment.md", "decisions/19-infrastructure.md"]


def anchors(path: Path) -> set[str]:
    """What the headings of a page can be linked by."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.replace(" ", "-") for text in plain}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    page = DOCS / name
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        linked = (page.parent / path).resolve() if path else page
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            broken.append(target)
    assert broken == []


def test_the_first_step_gives_parameters_that_the_template_takes() -> None:
    (text,) = re.findall(r"parameters.json <<'JSON'\n(.*?)\nJSON\n", PAGE, re.DOTALL)
    known = template()["Parameters"]
    given = dict(each.split("=", 1) for each in json.loads(text))
    assert given.keys() <= known.keys()
    for name, value in given.items():
        assert re.search(known[name].get("AllowedPattern", ""), value), name
    needed = {name for name, parameter in known.items() if "Default" not in parameter}
    assert needed <= given.keys()


def test_outputs_and_parameters_that_are_named_exist() -> None:
    outputs = set(re.findall(r"outputs? `?([A-Z]\w+)", PAGE))
    assert outputs
    assert outputs <= template()["Outputs"].keys()
    named = set(re.findall(r"`((?:Create|Min|Max|Webhook|Backlog|Alarm|Route)[A-Z]?\w+)", PAGE))
    assert named <= template()["Parameters"].keys() | template()["Resources"].keys() | {
        "MaxInstanceLifetime"
    }


def test_each_alarm_is_explained() -> None:
    resources = template()["Resources"]
    alarms = {name for name, part in resources.items() if part["Type"] == "AWS::CloudWatch::Alarm"}
    assert set(re.findall(r"^\| `(\w+Alarm)` \|", PAGE, re.MULTILINE)) == alarms


def test_each_alarm_leads_to_what_helps() -> None:
    headings = anchors(DOCS / "operations.md")
    for name, part in template()["Resources"].items():
        if part["Type"] == "AWS::CloudWatch::Alarm":
            description = part["Properties"]["AlarmDescription"]
            (heading,) = re.findall(r'docs/operations\.md, "(.+)"\.$', description)
            assert heading.lower().replace(" ", "-") in headings, name


@pytest.mark.parametrize("name", ["aws.md", "deployment.md"])
def test_every_command_is_sound_shell(name: str) -> None:
    for block in re.findall(r"^```sh\n(.*?)^```", (DOCS / name).read_text(), re.DOTALL | re.M):
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), block


def test_the_backlog_is_what_the_page_works_out() -> None:
    wait_s, message_s = map(float, re.findall(r"(\d+) s / ([\d.]+) s is", PAGE)[0])
    target = template()["Parameters"]["BacklogPerInstance"]["Default"]
    assert wait_s / message_s == pytest.approx(target, rel=0.1)
    assert f"`BacklogPerInstance` = **{target}**" in PAGE
