"""Documents that speak of the deployment speak of all of it, and what is generated is up to date."""

import re
import tomllib

import pytest

from scripts.infra_check import diagram
from scripts.infra_check.hcl import INFRA, ROOT, blocks
from stockstream import cost

RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TABLES = ("quotes", "candles", "alerts")


def alarms() -> set[str]:
    folder = INFRA / "modules" / "observability"
    text = "".join((folder / name).read_text(encoding="utf-8") for name in ("main.tf", "silence.tf"))
    plain = set(re.findall(r'(?m)^ {6}"([a-z-]+)" += \{$', text))
    for_tables = set(re.findall(r'"table-\$\{role\}-([a-z-]+)"', text))
    assert for_tables == {"throttled", "reads-throttled"}
    return plain | {f"table-{role}-{what}" for role in TABLES for what in for_tables}


def test_every_alarm_has_its_place_in_the_runbook() -> None:
    sections = dict(re.findall(r"(?ms)^### (\S+)\n(.*?)(?=^#|\Z)", RUNBOOK))
    anchors = set(sections) | set(re.findall(r'<a id="([\w-]+)">', RUNBOOK))
    assert len(alarms()) >= 16
    assert alarms() <= anchors, "alarms without a paragraph"
    of_tables = {"table-NAME-throttled", "table-NAME-reads-throttled"}
    assert anchors - alarms() == of_tables, "paragraphs without an alarm"
    for name, text in sections.items():
        assert all(f"**{part}**" in text for part in ("Means", "Look", "Remedy")), name


def test_an_alarm_points_to_its_paragraph() -> None:
    for name, alarms_of_it in (("main.tf", 2), ("silence.tf", 1)):
        text = (INFRA / "modules" / "observability" / name).read_text(encoding="utf-8")
        assert text.count("Runbook: docs/operations.md#") == alarms_of_it == text.count('"aws_cloudwatch_metric_alarm"')


def test_variables_that_the_documents_name_exist() -> None:
    variables = [block for folder in (INFRA, *(INFRA / "modules").iterdir()) for block in blocks(folder, "variable")]
    attributes = {name for block in variables for name in re.findall(r"\b(\w+) = ", block.body["type"])}
    known = {block.labels[0] for block in variables} | attributes
    for name in ("deploy.md", "operations.md", "cost.md"):
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        used = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?: = [^`]*)?`", text))
        known_others = set(
            re.findall(r"`([a-z_]+)`[^|\n]*\|", (ROOT / "docs" / "consumer.md").read_text(encoding="utf-8"))
        )
        unknown = used - known - known_others - LOG_EVENTS
        assert not unknown, f"docs/{name} names {sorted(unknown)}"


LOG_EVENTS = {
    match
    for folder in ("service/stockstream", "lambda/stockstream_lambda")
    for path in (ROOT / folder).rglob("*.py")
    for match in re.findall(r'"([a-z]+(?:_[a-z]+)+)"', path.read_text(encoding="utf-8"))
} | {
    "operator_environment",
    # What the consumer as a log says when a partition stops.
    "log_hole",
    "log_newer",
    "checkpoint_lost",
    "partition_stopped",
    "stock_data_table",
    "stock_data_by_day",
    "distinct_quotes",
    "daily_bars",
    "quotes_distinct",
    "expected_by",
}


@pytest.mark.parametrize("name", ["deploy.md", "operations.md", "cost.md", "athena.md"])
def test_links_and_files_that_the_documents_name_exist(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (ROOT / "docs" / target).exists(), f"docs/{name}: {target}"
    for target in re.findall(r"\b((?:docs|infra|athena|scripts)/[\w/.-]+\.(?:md|sql|tfvars|tftpl|tf|py)\b)", text):
        # my.tfvars is the reader's own copy.
        assert target == "infra/my.tfvars" or (ROOT / target).exists(), f"docs/{name}: {target}"


def test_the_table_of_costs_is_the_programs() -> None:
    text = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    assert text == cost.with_table(text), "out of date: make infra-docs"


def test_a_deployment_costs_at_least_its_shard() -> None:
    for case in cost.SCENARIOS:
        lines = cost.lines(case)
        assert lines["Kinesis: shards"] == pytest.approx(case.shards * 10.95)
        assert all(value >= 0 for value in lines.values())
    one = cost.lines(cost.Scenario("", 1, 30))
    ten = cost.lines(cost.Scenario("", 10, 30))
    assert ten["DynamoDB: writes"] == pytest.approx(10 * one["DynamoDB: writes"])
    assert ten["Kinesis: shards"] == one["Kinesis: shards"]


def test_the_diagram_is_its_sources() -> None:
    source = tomllib.loads(diagram.SOURCE.read_text(encoding="utf-8"))
    assert diagram.PICTURE.read_text(encoding="utf-8") == diagram.render(source), "out of date: make infra-docs"


def test_the_diagrams_texts_fit_their_boxes_and_no_box_lies_on_another() -> None:
    source = tomllib.loads(diagram.SOURCE.read_text(encoding="utf-8"))
    places = [tuple(box["at"]) for box in source["box"]]
    assert len(set(places)) == len(places)
    assert all(len(box["label"]) <= 21 and len(box["note"]) <= 28 for box in source["box"])


def test_an_arrow_to_nowhere_is_refused() -> None:
    source = {"title": "t", "box": [{"id": "a", "at": [0, 0], "label": "A", "note": ""}], "group": []}
    with pytest.raises(KeyError):
        diagram.render({**source, "arrow": [{"from": "a", "to": "b"}]})
