"""Terraform's files keep the shape that the reviewer of a module expects."""

import re
from pathlib import Path

import botocore.session
import pytest

from scripts.infra_check.hcl import INFRA, Block, blocks, literals, module_folders
from scripts.infra_check.readmes import with_tables

MODULES = module_folders()[1:]
everywhere = pytest.mark.parametrize("folder", module_folders(), ids=lambda path: path.name)


def found(kind: str, *labels: str) -> list[Block]:
    return [
        block for folder in module_folders() for block in blocks(folder, kind) if block.labels[: len(labels)] == labels
    ]


@everywhere
def test_a_module_has_its_four_files_and_a_readme(folder: Path) -> None:
    for name in ("main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md"):
        assert (folder / name).is_file(), f"{folder.name} has no {name}"
    for block in blocks(folder):
        home = {"variable": "variables.tf", "output": "outputs.tf", "terraform": "versions.tf"}.get(block.kind)
        assert home in {None, block.path.name}, f"{block.address} belongs in {home}"


@everywhere
def test_variables_and_outputs_say_what_they_are(folder: Path) -> None:
    variables = list(blocks(folder, "variable"))
    assert variables
    for block in variables:
        assert "type" in block.body, block.address
        assert block.body.get("description", "").endswith("."), f"{block.address} has no sentence of description"
    for block in blocks(folder, "output"):
        assert block.body.get("description", "").endswith("."), f"{block.address} has no sentence of description"


@everywhere
def test_a_refusal_names_the_variable_and_what_it_may_be(folder: Path) -> None:
    for block in blocks(folder, "variable"):
        for rule in block.body.get("validation", ()):
            message = rule["error_message"]
            assert message.startswith(block.labels[0]), f"{block.address}: {message}"
            assert re.search(r"must|needs", message), f"{block.address}: {message}"


@everywhere
def test_versions_are_the_roots(folder: Path) -> None:
    assert (folder / "versions.tf").read_text(encoding="utf-8") == (INFRA / "versions.tf").read_text(encoding="utf-8")


@everywhere
def test_the_readme_lists_every_input_and_output(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == with_tables(text, folder), "out of date: make infra-docs"
    assert folder == INFRA or "**Cost**" in text


@everywhere
def test_every_variable_is_used(folder: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.tf"))
    for block in blocks(folder, "variable"):
        assert re.search(rf"\bvar\.{block.labels[0]}\b", re.sub(r"(?s)\bvalidation \{.*?\n  \}", "", text)), (
            block.address
        )


def test_only_the_root_configures_a_provider() -> None:
    assert [block for folder in MODULES for block in blocks(folder, "provider")] == []
    assert len(list(blocks(INFRA, "provider"))) == 1


def test_the_root_only_puts_modules_together() -> None:
    assert list(blocks(INFRA, "resource")) == []
    used = {block.body["source"] for block in blocks(INFRA, "module")}
    assert used == {f"./modules/{folder.name}" for folder in MODULES}


@everywhere
def test_no_account_region_or_arn_is_written_down(folder: Path) -> None:
    for path in folder.glob("*.tf"):
        text = re.sub(r"(?m)^\s*(#|description|error_message).*$", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"\b\d{12}\b", text), path
        assert not re.search(r"\b(us|eu|ap|sa|ca)-[a-z]+-\d\b", text), path
        assert "arn:aws" not in text, f"{path}: other partitions exist; take data.aws_partition"


# Kinds whose names are the account's or the whole partition's, not a region's.
GLOBAL_NAMES = {
    "aws_iam_role": "name",
    "aws_iam_policy": "name",
    "aws_cloudwatch_dashboard": "dashboard_name",
    "aws_budgets_budget": "name",
}


@pytest.mark.parametrize("kind", GLOBAL_NAMES)
def test_what_is_named_globally_carries_the_region(kind: str) -> None:
    resources = found("resource", kind)
    assert resources
    for block in resources:
        name = str(block.body[GLOBAL_NAMES[kind]])
        assert name.endswith(("-${local.region}", "-${data.aws_region.current.id}")), f"{block.path}: {name}"
        assert name.startswith(("${var.name}", "${local.")), f"{block.path}: {name}"


def test_buckets_carry_account_and_region() -> None:
    buckets = next(block for block in blocks(INFRA / "modules" / "lake", "locals") if "buckets" in block.body)
    for name in buckets.body["buckets"].values():
        assert re.fullmatch(r"\$\{var\.name\}-\w+-\$\{local\.account_id\}-\$\{local\.region\}", name)


def test_the_longest_name_in_the_longest_region_is_a_bucket() -> None:
    longest_region = max(REGIONS, key=len)
    rule = next(block for block in blocks(INFRA, "variable") if block.labels == ("name",)).body["validation"][0]
    (most,) = re.findall(r"\{1,(\d+)\}", rule["condition"])
    assert len(f"{'n' * (1 + int(most))}-archive-123456789012-{longest_region}") <= 63
    assert len(f"{'n' * (1 + int(most))}-consumer-scheduler-{longest_region}") <= 64


REGIONS = [
    region
    for partition in botocore.session.get_session().get_available_partitions()
    for region in botocore.session.get_session().get_available_regions("kinesis", partition)
]


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_that_botocore_knows_is_a_region(region: str) -> None:
    rule = next(block for block in blocks(INFRA, "variable") if block.labels == ("region",)).body["validation"][0]
    (pattern,) = re.findall(r'regex\("(.+?)",', rule["condition"])
    assert re.search(pattern, region)


@pytest.mark.parametrize("region", ["useast1", "us-east", "us-east-1a", "eusc-1", "US-EAST-1", "moon-east-1", ""])
def test_what_is_no_region_is_refused(region: str) -> None:
    rule = next(block for block in blocks(INFRA, "variable") if block.labels == ("region",)).body["validation"][0]
    (pattern,) = re.findall(r'regex\("(.+?)",', rule["condition"])
    assert not re.search(pattern, region)


def test_local_zones_are_no_zones_and_subnets_keep_their_place() -> None:
    (zones,) = found("data", "aws_availability_zones")
    (only,) = zones.body["filter"]
    assert (only["name"], only["values"]) == ("opt-in-status", ["opt-in-not-required"])
    (subnet,) = (block for block in found("resource", "aws_subnet"))
    assert "count.index" in subnet.body["cidr_block"]
    (memory,) = (block for block in found("resource", "terraform_data") if block.labels[1] == "zones")
    assert memory.body["lifecycle"][0]["ignore_changes"] == ["input"]


def test_there_is_no_nat_gateway() -> None:
    assert found("resource", "aws_nat_gateway") == []
    assert found("resource", "aws_eip") == []


def test_nothing_is_open_to_the_internet() -> None:
    rules = found("resource", "aws_vpc_security_group_ingress_rule")
    assert [block.address for block in rules if "cidr_ipv4" in block.body or "cidr_ipv6" in block.body] == []
    assert all("ingress" not in block.body for block in found("resource", "aws_security_group"))
    buckets = found("resource", "aws_s3_bucket_public_access_block")
    assert buckets
    for block in buckets:
        switches = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
        assert all(block.body[name] is True for name in switches)


# What AWS takes on "*" only, or where "*" is the resource that the policy is attached to.
WILDCARD_RESOURCES = {
    ("kms", "key"): "a key policy's resource is the key itself",
    ("producer", "execution"): "ecr:GetAuthorizationToken has no resource",
    ("operator", "rebuild"): "lambda:ListEventSourceMappings has no resource",
}
WILDCARD_ACTIONS = {("kms", "key"): "the account administers its key"}


def statements(document: Block) -> list[dict[str, object]]:
    plain = list(document.body.get("statement", ()))
    for dynamic in document.body.get("dynamic", ()):
        plain += dynamic.get("statement", {}).get("content", ())
    return plain


def test_policies_name_their_actions_and_resources() -> None:
    documents = found("data", "aws_iam_policy_document")
    assert len(documents) >= 15
    for document in documents:
        key = (document.path.parent.name, document.labels[1])
        for statement in statements(document):
            if statement.get("effect") == "Deny":
                continue
            actions = list(literals(statement["actions"]))
            if key not in WILDCARD_ACTIONS:
                assert not [action for action in actions if "*" in action], f"{document.path.parent.name} {statement}"
            resources = list(literals(statement.get("resources", [])))
            if "*" in resources:
                assert key in WILDCARD_RESOURCES, f"{document.path.parent.name} {statement}"


def test_every_role_has_one_principal_and_no_managed_policy() -> None:
    assert found("resource", "aws_iam_role_policy_attachment") == []
    roles = found("resource", "aws_iam_role")
    assert {block.path.parent.name for block in roles} == {
        "processor",
        "notifier",
        "delivery",
        "producer",
        "network",
        "warehouse",
    }
    assert len(roles) == 11


def test_what_is_at_rest_is_under_the_key() -> None:
    expected = {
        "aws_kinesis_stream": "kms_key_id",
        "aws_sns_topic": "kms_master_key_id",
        "aws_sqs_queue": "kms_master_key_id",
        "aws_cloudwatch_log_group": "kms_key_id",
        "aws_lambda_function": "kms_key_arn",
        "aws_efs_file_system": "kms_key_id",
        "aws_redshiftserverless_namespace": "kms_key_id",
        "aws_scheduler_schedule": "kms_key_arn",
    }
    for kind, attribute in expected.items():
        resources = found("resource", kind)
        assert resources, kind
        for block in resources:
            assert block.body.get(attribute) == "${var.kms_key_arn}", block.address


def test_every_log_group_forgets_in_time() -> None:
    groups = found("resource", "aws_cloudwatch_log_group")
    assert len(groups) == 6
    assert all(block.body["retention_in_days"] == "${var.log_retention_days}" for block in groups)


def test_an_exception_from_checkov_says_why() -> None:
    reasons = [
        match[1]
        for folder in module_folders()
        for path in folder.glob("*.tf")
        for match in re.finditer(r"#checkov:skip=CKV2?_AWS_\d+:?(.*)", path.read_text(encoding="utf-8"))
    ]
    assert len(reasons) >= 10
    assert all(len(reason.split()) >= 2 for reason in reasons)


def test_examples_are_values_of_variables_that_exist() -> None:
    known = {block.labels[0] for block in blocks(INFRA, "variable")}
    examples = sorted((INFRA / "examples").glob("*/stockstream.tfvars"))
    assert [path.parent.name for path in examples] == ["complete", "minimal"]
    for path in examples:
        given = re.findall(r"(?m)^(?:# )?([a-z_]+) +=", path.read_text(encoding="utf-8"))
        assert set(given) <= known, f"{path}: {set(given) - known}"
    required = {block.labels[0] for block in blocks(INFRA, "variable") if "default" not in block.body}
    assert required == {"region"}
