"""The dashboard and the alerts: every metric, label and page that they name is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from waveflow.application.task_times import Stage
from waveflow.entrypoints.container import container_for
from waveflow.entrypoints.metrics.table import METRICS, PREFIX
from waveflow.entrypoints.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
GRAFANA = {"$__rate_interval": "1m", "$instance": ".*"}
"""What Grafana puts in place of its variables before Prometheus sees them."""

EXPRESSIONS = {
    **{
        f"{panel['id']} {panel['title']} {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel["targets"]
    },
    **{rule["alert"]: rule["expr"] for rule in RULES},
}
OF_EVERY_TARGET = {"instance", "job"}
STATES = {"visible", "in_flight", "delayed"}
STAGES = {*get_args(Stage), "wait", "other"}
LABELS = {
    series: set(metric.labels) | ({"le"} if series.endswith("_bucket") else set())
    for metric in METRICS
    for series in (
        [f"{PREFIX}{metric.name}{end}" for end in ("_bucket", "_sum", "_count")]
        if metric.kind == "histogram"
        else [f"{PREFIX}{metric.name}"]
    )
}
"""By the name of a series, the labels that it has."""


def for_prometheus(expression: str) -> str:
    for variable, value in GRAFANA.items():
        expression = expression.replace(variable, value)
    return expression


def parts_of(expression: Any) -> Iterator[Any]:
    """The expression, and all that it is made of."""
    yield expression
    match expression:
        case promql_parser.BinaryExpr():
            inner = [expression.lhs, expression.rhs]
        case promql_parser.Call():
            inner = list(expression.args)
        case promql_parser.MatrixSelector():
            inner = [expression.vector_selector]
        case promql_parser.AggregateExpr():
            inner = [expression.expr, *([expression.param] if expression.param else [])]
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            inner = [expression.expr]
        case promql_parser.VectorSelector() | promql_parser.NumberLiteral():
            inner = []
        case _:
            raise AssertionError(f"a kind that this test doesn't know: {type(expression)}")
    for part in inner:
        yield from parts_of(part)


def selectors(expression: str) -> list[Any]:
    parsed = promql_parser.parse(for_prometheus(expression))
    return [each for each in parts_of(parsed) if isinstance(each, promql_parser.VectorSelector)]


def grouped_by(expression: str) -> set[str]:
    """Labels that results are made for."""
    parsed = promql_parser.parse(for_prometheus(expression))
    return {
        label
        for each in parts_of(parsed)
        if isinstance(each, promql_parser.AggregateExpr) and each.modifier
        for label in each.modifier.labels
    }


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], set[str]]:
    """By series and label, the values that a worker exposes which has just begun."""
    settings = Settings(
        storage="memory",
        queue="memory",
        notifier="memory",
        http_port=1,
        work_dir=tmp_path_factory.mktemp("work"),
    )
    container = container_for(settings)
    try:
        metrics = container.metrics()
        assert metrics is not None
        text = metrics.render()[1].decode()
    finally:
        container.shutdown_resources()
    found: dict[tuple[str, str], set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for label, value in sample.labels.items():
                found.setdefault((sample.name, label), set()).add(value)
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
class TestExpressions:
    def test_they_can_be_read_and_name_metrics(self, expression: str) -> None:
        assert selectors(expression)

    def test_every_metric_and_every_label_exists(self, expression: str) -> None:
        known = set(OF_EVERY_TARGET)
        for selector in selectors(expression):
            assert selector.name in LABELS
            labels = LABELS[selector.name] | OF_EVERY_TARGET
            known |= labels
            assert {matcher.name for matcher in selector.matchers.matchers} <= labels
        assert grouped_by(expression) <= known

    def test_every_value_of_a_label_exists(
        self, expression: str, values: dict[tuple[str, str], set[str]]
    ) -> None:
        for selector in selectors(expression):
            for matcher in selector.matchers.matchers:
                if matcher.name in OF_EVERY_TARGET:
                    continue
                existing = {"stage": STAGES, "state": STATES}.get(matcher.name) or values[
                    selector.name, matcher.name
                ]
                is_pattern = "Re" in str(matcher.op)
                alternatives = matcher.value.split("|") if is_pattern else [matcher.value]
                for value in alternatives:
                    wanted = value if is_pattern else re.escape(value)
                    assert any(re.fullmatch(wanted, each) for each in existing), value


class TestDashboard:
    def test_every_panel_has_a_name_of_its_own_words_and_a_place(self) -> None:
        ids = [panel["id"] for panel in DASHBOARD["panels"]]
        assert len(ids) == len(set(ids))
        taken: set[tuple[int, int]] = set()
        for panel in DASHBOARD["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken
            taken |= cells
        assert all(panel["title"] and panel["description"].endswith(".") for panel in PANELS)

    def test_every_row_is_there(self) -> None:
        rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
        assert rows == ["Overview", "Latency", "Reliability", "Resources"]

    def test_source_and_worker_can_be_chosen(self) -> None:
        variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
        assert set(variables) == {"datasource", "instance"}
        for panel in PANELS:
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert {source["uid"] for source in sources} == {"${datasource}"}
            for target in panel["targets"]:
                assert target["expr"].count('instance=~"$instance"') == target["expr"].count("{")

    def test_legends_name_labels_that_the_results_have(self) -> None:
        for panel in PANELS:
            for target in panel["targets"]:
                named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                grouped = grouped_by(target["expr"])
                assert named <= (grouped or OF_EVERY_TARGET), panel["title"]

    def test_every_metric_is_shown(self) -> None:
        shown = {
            selector.name
            for panel in PANELS
            for target in panel["targets"]
            for selector in selectors(target["expr"])
        }
        for metric in METRICS:
            ends = ("_bucket", "_sum") if metric.kind == "histogram" else ("",)
            assert {f"{PREFIX}{metric.name}{end}" for end in ends} & shown, metric.name


class TestAlerts:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
    def test_each_says_what_it_is_and_where_to_read_on(self, rule: dict[str, Any]) -> None:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        headings = re.findall(r"^## (.+)$", (ROOT / page).read_text(), re.MULTILINE)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}

    def test_names_are_not_used_twice(self) -> None:
        names = [rule["alert"] for rule in RULES]
        assert len(names) == len(set(names))

    @pytest.mark.skipif(
        shutil.which("promtool") is None,
        reason="needs promtool, of Debian's package prometheus",
    )
    @pytest.mark.parametrize(
        "arguments", [("check", "rules", "alerts.yaml"), ("test", "rules", "alerts_test.yaml")]
    )
    def test_they_do_what_they_say(self, arguments: tuple[str, ...]) -> None:
        done = subprocess.run(
            ["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def test_each_is_tried(self) -> None:
        tried = (FOLDER / "alerts_test.yaml").read_text()
        assert [rule["alert"] for rule in RULES if rule["alert"] not in tried] == []
