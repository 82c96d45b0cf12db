"""Glue's tables in Terraform and the DDL in athena/ are one."""

import re
from typing import Any

import pytest

from scripts.infra_check.hcl import INFRA, ROOT, Block, blocks
from stockstream.lake import find_athena_files
from stockstream_wire import Quote

LAKE = INFRA / "modules" / "lake"
TABLES = ("stock_data_table", "stock_data_by_day", "quotes")


def table(name: str) -> Block:
    return next(block for block in blocks(LAKE, "resource") if block.labels == ("aws_glue_catalog_table", name))


def ddl(name: str) -> str:
    return (ROOT / "athena" / "tables" / f"{name}.sql").read_text(encoding="utf-8")


def test_the_pattern_that_terraform_reads_columns_with_finds_every_column() -> None:
    text = (LAKE / "catalog.tf").read_text(encoding="utf-8")
    pattern = re.search(r'regexall\("(.*?)", file\("\$\{var\.athena_dir\}/tables', text)
    assert pattern is not None
    matches = re.findall(pattern[1].replace("\\\\", "\\"), ddl("stock_data_table"))
    assert [match[0] for match in matches] == list(Quote.__struct_fields__)
    assert {match[0]: match[1] for match in matches}["price"] == "decimal(28,10)"
    assert all(match[2] for match in matches)


@pytest.mark.parametrize("name", TABLES)
def test_columns_come_from_the_ddl(name: str) -> None:
    columns = table(name).body["storage_descriptor"][0]["dynamic"][0]["columns"]
    assert columns["for_each"] == "${local.columns}"
    first = [(column.name, column.type) for column in find_athena_files().table("stock_data_table").columns]
    assert [(column.name, column.type) for column in find_athena_files().table(name).columns] == first


@pytest.mark.parametrize("name", TABLES)
def test_partitions_properties_and_location_are_the_ddls(name: str) -> None:
    body = table(name).body
    partitions = [(entry["name"], entry["type"]) for entry in body.get("partition_keys", ())]
    declared = re.search(r"(?s)PARTITIONED BY \((.*?)\n\)", ddl(name))
    assert partitions == re.findall(r"(?m)^  `(\w+)` (\w+)", declared[1] if declared else "")
    given = {key: _plain(value) for key, value in body["parameters"].items()}
    for key, value in re.findall(r"'([\w.-]+)' = '([^']*)'", ddl(name).partition("TBLPROPERTIES")[2]):
        assert given[key] == _plain(value), key
    location = re.search(r"LOCATION 's3://\$\{archive_bucket\}(.*?)'", ddl(name))
    assert location is not None
    descriptor = body["storage_descriptor"][0]
    assert descriptor["location"] == "${local.archive_uri}" + location[1]
    serde = re.search(r"ROW FORMAT SERDE '(.*?)'", ddl(name))
    if serde is not None:
        assert descriptor["ser_de_info"][0]["serialization_library"] == serde[1]


def _plain(value: Any) -> str:
    """A property with the bucket and the first day, which Terraform takes from variables, replaced by their names."""
    text = str(value).replace("${local.archive_uri}", "s3://${archive_bucket}").replace("$${", "${")
    return re.sub(r"(\$\{var\.first_\w+_date\}|\d{4}-\d\d-\d\d)(?=,NOW)", "FIRST", text)


def test_firehose_writes_where_the_parquet_table_looks() -> None:
    delivery = next(
        block
        for block in blocks(INFRA / "modules" / "delivery", "resource")
        if block.labels[0] == "aws_kinesis_firehose_delivery_stream"
    )
    prefix = delivery.body["extended_s3_configuration"][0]["prefix"]
    template = _plain(table("quotes").body["parameters"]["storage.location.template"])
    folders = prefix.replace("!{timestamp:yyyy-MM-dd}", "${dt}").replace("!{timestamp:HH}", "${hour}")
    assert template == "s3://${archive_bucket}/" + folders


def test_the_published_queries_are_cut_apart_at_their_semicolons() -> None:
    text = (LAKE / "catalog.tf").read_text(encoding="utf-8")
    pattern = re.search(r'regexall\("(.*?)", file\("\$\{var\.athena_dir\}/queries\.sql', text)
    assert pattern is not None
    published = (ROOT / "athena" / "queries.sql").read_text(encoding="utf-8")
    saved = re.findall(pattern[1].replace("\\\\", "\\"), published)
    assert "\n\n".join(f"-- {title}\n{sql}" for title, sql in saved) + "\n" == published
    assert len(saved) == 4


def test_every_query_and_view_is_saved_in_the_workgroup() -> None:
    text = (LAKE / "catalog.tf").read_text(encoding="utf-8")
    for folder in ("views", "queries"):
        assert f'fileset(var.athena_dir, "{folder}/*.sql")' in text
    # Athena saves one statement a query, and no name longer than 128 characters.
    published = (ROOT / "athena" / "queries.sql").read_text(encoding="utf-8")
    titles = re.findall(r"(?m)^-- (.+)$", published)
    assert len(titles) == published.count(";") == 4
    names = [f"published: {title}" for title in titles] + list(find_athena_files().queries())
    assert all(len(name) <= 128 for name in names)
