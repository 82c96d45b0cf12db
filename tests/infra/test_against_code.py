"""What Terraform makes is what the code expects: names, variables, keys, permissions, metrics. Drift fails here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import terraform_sources
from scripts.infra_check.hcl import INFRA, ROOT, Block, blocks, literals
from stockstream.local.provision import FAILED_BATCHES_QUEUE_NAME, TOPIC_NAME, resource_names, table_keys
from stockstream.observability.metrics import COMPONENT, DEFAULT_DEPLOYMENT, DIMENSIONS, NAMESPACE, SERVICE_METRICS
from stockstream.settings import ENV_PREFIX, Settings
from stockstream_lambda import observability as consumer_observability
from stockstream_lambda.config import DEFAULT_DEPLOYMENT as DEFAULT_CONSUMER_DEPLOYMENT
from stockstream_wire.storage import EXPIRES_AT, WORKERS_KEY

CONSUMER = ROOT / "lambda" / "stockstream_lambda"
SERVICE = ROOT / "service" / "stockstream"
SENDER = SERVICE / "sender"
SETTINGS = {ENV_PREFIX + name.upper() for name in Settings.model_fields}


def module(name: str) -> Path:
    return INFRA / "modules" / name


def resource(name: str, kind: str, label: str = "this") -> Block:
    return next(block for block in blocks(module(name), "resource") if block.labels == (kind, label))


def local_value(name: str, key: str) -> Any:
    return next(block.body[key] for block in blocks(module(name), "locals") if key in block.body)


def trees(folder: Path) -> Iterator[tuple[Path, ast.AST]]:
    paths = sorted(folder.rglob("*.py"))
    assert paths, folder
    for path in paths:
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def calls_through_helpers(tree: ast.AST) -> set[tuple[str, str]]:
    """Calls of S3 that a module makes by calling what `stockstream.aws` has for reading a bucket."""
    (helpers,) = (tree for path, tree in trees(ROOT / "service" / "stockstream" / "aws") if path.name == "_objects.py")
    made: dict[str, set[tuple[str, str]]] = {}
    for function in ast.walk(helpers):
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if ast.unparse(node.func.value) == "s3":
                is_pages = node.func.attr == "get_paginator"
                method = ast.literal_eval(node.args[0]) if is_pages else node.func.attr
                made.setdefault(function.name, set()).add(("s3", method))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return {call for name in called & made.keys() for call in made[name]}


def constants(folder: Path) -> set[str]:
    return {
        node.value
        for _, tree in trees(folder)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def variables_in(text: Any) -> set[str]:
    return {match for value in literals([text]) for match in re.findall(r"\bSTOCKSTREAM_[A-Z_]+\b", value)}


# --- environment ----------------------------------------------------------------------------------------------------

# The consumer's own default is right wherever it runs; `consumer_environment` can still set it.
CONSUMER_DEFAULTS = {"STOCKSTREAM_PARALLEL_CALLS": "tuned to the function's memory by measurement, not by deployment"}

# Settings that have no place in an ECS task, each with its reason.
NOT_IN_ECS = {
    "STOCKSTREAM_HEALTH_ALLOWED_HOSTS": "the port is on the task's loopback; producer_environment can set it",
    "STOCKSTREAM_DASHBOARD_HOST": "the page is no part of the service's task",
    "STOCKSTREAM_DASHBOARD_PORT": "the page is no part of the service's task",
    "STOCKSTREAM_DASHBOARD_BEHIND_LOOPBACK": "the page is no part of the service's task",
    "STOCKSTREAM_DASHBOARD_TOKEN": "the page is no part of the service's task",
    "STOCKSTREAM_DASHBOARD_ALLOWED_HOSTS": "the page is no part of the service's task",
    "STOCKSTREAM_LOCAL_STATE_DIR": "of local mode",
    "STOCKSTREAM_SEND_UNCHANGED": "a choice for experiments; producer_environment can set it",
    "STOCKSTREAM_REPLAY_FILES": "a laptop replays",
    "STOCKSTREAM_REPLAY_SPEED": "a laptop replays",
    "STOCKSTREAM_REPLAY_TIMEZONE": "a laptop replays",
    "STOCKSTREAM_REPLAY_COLUMNS": "a laptop replays",
    "STOCKSTREAM_SIMULATED_SEED": "for repeatable demonstrations",
    "STOCKSTREAM_REGION": "ECS has AWS_REGION",
    "STOCKSTREAM_OUTBOX": "on disk, the default",
    "STOCKSTREAM_OUTBOX_MAX_BYTES": "the default suits EFS and a task's disk of 20 GB; producer_environment can set it",
    "STOCKSTREAM_OUTBOX_POLICY": "block, the default: nothing accepted is dropped",
    "STOCKSTREAM_LEDGER_DIR": "beside the outbox, the default: on the same volume",
    "STOCKSTREAM_LEDGER_MAX_BYTES": "the default suits EFS; producer_environment can set it",
    "STOCKSTREAM_LEDGER_KEEP_DAYS": "the default; producer_environment can set it",
    "STOCKSTREAM_SENDER_CALL_SECONDS": "the default; producer_environment can set it",
    "STOCKSTREAM_SENDER_AWAY_SECONDS": "the default; producer_environment can set it",
    "STOCKSTREAM_WORKERS_HEARTBEAT_SECONDS": "the default; producer_environment can set it",
    "STOCKSTREAM_EMF_METRICS": "on, the default: CloudWatch reads them",
    "STOCKSTREAM_SENDER_TRANSPORT": "the default; producer_environment can set it",
    "STOCKSTREAM_SENDER_AGGREGATION": "on, the default; off only for Redshift streaming, by producer_environment",
    "STOCKSTREAM_SENDER_RECORD_MAX_BYTES": "the stream takes 1 MiB, the default",
    "STOCKSTREAM_YAHOO_REQUESTS_PER_SECOND": "Yahoo's patience is the same everywhere",
    "STOCKSTREAM_YAHOO_BATCH_SYMBOLS": "Yahoo's limit is the same everywhere",
    "STOCKSTREAM_ALPACA_KEY_ID": "a secret: producer_secrets brings it",
    "STOCKSTREAM_ALPACA_SECRET_KEY": "a secret: producer_secrets brings it",
    "STOCKSTREAM_ALPACA_FEED": "the free one, the default; producer_environment can set it",
    "STOCKSTREAM_STALE_AFTER_SECONDS": "a matter of the feed; producer_environment can set it",
    "STOCKSTREAM_MAX_PRICE_RATIO": "a matter of the feed; producer_environment can set it",
    "STOCKSTREAM_QUOTES_TABLE": "the service writes to Kinesis only",
    "STOCKSTREAM_ALERTS_TABLE": "the service writes to Kinesis only",
    "STOCKSTREAM_ARCHIVE_BUCKET": "the service writes to Kinesis only",
    "STOCKSTREAM_ALERTS_TOPIC_ARN": "for operators' commands",
    "STOCKSTREAM_FAILED_BATCHES_QUEUE_URL": "for operators' commands",
    "STOCKSTREAM_ANOMALY_THRESHOLD_PERCENT": "the consumer's; for operators' commands",
    "STOCKSTREAM_BACKFILL": "auto, the default; producer_environment can set it",
}


def variables_read(*, notifier: bool) -> set[str]:
    """Variables of one of the two functions; both configure the log, whose level is read where each parses its own."""
    return {
        node.value
        for path, tree in trees(CONSUMER)
        if ("notifier" in path.parts) is notifier
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"STOCKSTREAM_[A-Z_]+", node.value)
    }


def test_the_notifier_gets_every_variable_that_it_reads_and_no_other() -> None:
    read = variables_read(notifier=True)
    assert len(read) >= 4
    # In a block, not in a merge(): the names are keys.
    assert set(resource("notifier", "aws_lambda_function").body["environment"][0]["variables"]) == read


def test_the_consumer_gets_every_variable_that_it_reads_and_no_other() -> None:
    for function in ("this", "tidy"):
        body = resource("processor", "aws_lambda_function", function).body
        assert body["environment"][0]["variables"] == "${local.environment}"
    given = variables_in(local_value("processor", "environment"))
    read = variables_read(notifier=False)
    assert len(read) >= 6
    assert given - read == set(), "Terraform sets what the consumer does not read"
    assert read - given == set(CONSUMER_DEFAULTS), "the consumer reads what Terraform does not set"


def test_the_service_gets_settings_that_exist_and_the_rest_have_their_reason() -> None:
    given = variables_in(local_value("producer", "environment"))
    assert len(given) >= 10
    # The service refuses to start on an unknown variable.
    assert given - SETTINGS == set(), "no such setting"
    assert SETTINGS - given == set(NOT_IN_ECS), "a setting that neither Terraform nor NOT_IN_ECS knows, or both"


def test_what_terraform_gives_the_service_passes_its_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    from stockstream.settings import load_settings

    text = local_value("producer", "environment")
    fixed = dict(re.findall(r'(STOCKSTREAM_[A-Z_]+) = "([^"$]+)"', text))
    assert {"STOCKSTREAM_LOG_FORMAT", "STOCKSTREAM_HEALTH_HOST", "STOCKSTREAM_HEALTH_PORT"} <= fixed.keys()
    for name, value in fixed.items():
        monkeypatch.setenv(name, value)
    load_settings()


def test_the_modules_ranges_are_the_settings_ranges() -> None:
    validations = {
        block.labels[0]: block.body["validation"][0]["condition"]
        for block in blocks(module("producer"), "variable")
        if "validation" in block.body
    }
    interval = {type(entry).__name__: entry for entry in Settings.model_fields["poll_interval_seconds"].metadata}
    assert f">= {interval['Ge'].ge}" in validations["poll_interval_seconds"]
    assert f"<= {interval['Le'].le}" in validations["poll_interval_seconds"]


def test_terraform_takes_the_sources_of_the_catalogue() -> None:
    assert terraform_sources.TARGET.read_text(encoding="utf-8") == terraform_sources.render(), "Remedy: make docs"


def test_operators_get_variables_that_exist() -> None:
    output = next(block for block in blocks(INFRA, "output") if block.labels == ("operator_environment",))
    names = {key for key in output.body["value"] if key.startswith("STOCKSTREAM_")}
    assert len(names) >= 8
    assert names <= SETTINGS


# --- names ----------------------------------------------------------------------------------------------------------


def test_names_are_those_of_local_mode_and_settings() -> None:
    default = next(block for block in blocks(INFRA, "variable") if block.labels == ("name",)).body["default"]
    assert default == Settings.model_fields["stream"].default == "stockstream"
    assert resource("processor", "aws_sqs_queue", "failed_batches").body["name"] == "${var.name}-failed-batches"
    assert f"{default}-failed-batches" == FAILED_BATCHES_QUEUE_NAME
    assert resource("alerts", "aws_sns_topic").body["name"] == "${var.name}-${each.key}"
    assert f"{default}-alerts" == TOPIC_NAME
    assert "alerts" in local_value("alerts", "topics")
    bucket = local_value("lake", "buckets")["archive"]
    assert bucket.startswith("${var.name}-archive-")
    assert Settings.model_fields["archive_bucket"].default == f"{default}-archive"
    assert local_value("processor", "function_name") == "${var.name}-consumer"


@pytest.mark.parametrize("name", ["processor", "notifier"])
def test_the_handler_is_where_lambda_looks_for_it(name: str) -> None:
    target = resource(name, "aws_lambda_function").body["handler"]
    home, _, function = target.rpartition(".")
    path = ROOT / "lambda" / Path(*home.split(".")).with_suffix(".py")
    assert function in {
        node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
    }


def test_tables_have_the_keys_that_the_code_writes() -> None:
    names = resource_names(Settings(_env_file=None))  # type: ignore[call-arg]
    expected = {table: key for table, key in table_keys(names).items() if table != names.workers_table}
    tables = local_value("hot_store", "tables")
    assert {role: (table["hash_key"], table["range_key"]) for role, table in tables.items()} == expected
    assert resource("hot_store", "aws_dynamodb_table").body["ttl"][0]["attribute_name"] == EXPIRES_AT


def test_the_table_of_workers_is_the_codes_and_gives_the_service_what_it_calls_and_no_more() -> None:
    table = resource("producer", "aws_dynamodb_table", "workers").body
    assert (table["hash_key"], table["range_key"]) == WORKERS_KEY
    assert table["ttl"][0]["attribute_name"] == EXPIRES_AT
    assert local_value("producer", "workers_table") == "${var.table_prefix}workers"
    assert Settings.model_fields["workers_table"].default == "workers"
    tree = ast.parse((SERVICE / "workers" / "table.py").read_text(encoding="utf-8"))
    called = {
        str(node.args[0].value) if node.func.attr == "get_paginator" else node.func.attr  # type: ignore[attr-defined]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value).endswith("dynamodb")
    }
    granted = {
        action
        for entry in statements("producer", "task")
        if entry["sid"] == "ShareWatchlist"
        for action in entry["actions"]
    }
    assert granted == {"dynamodb:" + "".join(part.title() for part in name.split("_")) for name in called}
    assert resources_of("producer", "task", "ShareWatchlist") == {"${aws_dynamodb_table.workers[0].arn}"}


def test_the_bucket_layout_is_the_consumers() -> None:
    from stockstream_wire.storage import QUARANTINE_PREFIX, RAW_PREFIX

    set_aside = resources_of("processor", "this", "SetAside")
    assert set_aside == {f"${{var.archive_bucket_arn}}/{QUARANTINE_PREFIX}*"}
    rules = (module("lake") / "main.tf").read_text(encoding="utf-8")
    assert f'"{QUARANTINE_PREFIX}"' in rules
    location = (module("lake") / "catalog.tf").read_text(encoding="utf-8")
    assert f'"${{local.archive_uri}}/{RAW_PREFIX}"' in location


def test_the_container_is_the_image_that_the_dockerfile_builds() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    values = {key: local_value("producer", key) for key in ("user_id", "state_path", "cache_path")}
    assert f"USER {values['user_id']}:{values['user_id']}" in dockerfile
    assert f'VOLUME ["{values["state_path"]}", "{values["cache_path"]}"]' in dockerfile


# --- permissions ----------------------------------------------------------------------------------------------------


def statements(name: str, document: str) -> list[dict[str, Any]]:
    block = next(
        entry for entry in blocks(module(name), "data") if entry.labels == ("aws_iam_policy_document", document)
    )
    plain = list(block.body.get("statement", ()))
    for dynamic in block.body.get("dynamic", ()):
        plain += dynamic["statement"]["content"]
    return plain


def resources_of(name: str, document: str, sid: str) -> set[str]:
    return set(next(entry for entry in statements(name, document) if entry["sid"] == sid)["resources"])


# What authorises a request, where it is not an action of the same name.
ACTION_OF = {
    "BatchGetItem": "dynamodb:BatchGetItem",
    "BatchWriteItem": "dynamodb:BatchWriteItem",
    "PutItem": "dynamodb:PutItem",
    "UpdateItem": "dynamodb:UpdateItem",
    "Query": "dynamodb:Query",
    "PutObject": "s3:PutObject",
    "GetObject": "s3:GetObject",
    "ListObjectsV2": "s3:ListBucket",
    "DeleteObject": "s3:DeleteObject",
    "PublishBatch": "sns:Publish",
}
# Not called by the code, and needed all the same.
BY_LAMBDA = {
    "kinesis:DescribeStream": "event source mapping",
    "kinesis:DescribeStreamSummary": "event source mapping",
    "kinesis:GetRecords": "event source mapping",
    "kinesis:GetShardIterator": "event source mapping",
    "kinesis:ListShards": "event source mapping",
    "sqs:SendMessage": "on-failure destination",
    "logs:CreateLogStream": "the runtime writes the log",
    "logs:PutLogEvents": "the runtime writes the log",
    "kms:Decrypt": "everything is under one key",
    "kms:GenerateDataKey": "everything is under one key",
    "s3:ListBucket": "a missing object must be a 404",
}


# Conditional calls of DynamoDB are named where they are made, and made in one place.
_CALLERS = {"call", "_call", "_on_condition"}


def requests_made_by_consumer() -> set[str]:
    return {
        str(node.args[0].value)
        for _, tree in trees(CONSUMER / "aws")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _CALLERS
        and isinstance(node.args[0], ast.Constant)
    }


def actions_of(document: str) -> set[str]:
    granted = {action for entry in statements("processor", document) for action in entry["actions"] if ":" in action}
    granted |= {action for actions in local_value("processor", "table_actions").values() for action in actions}
    return granted - {"${statement.value}"}


def test_consumer_and_tidy_may_do_what_the_code_does_and_nothing_else() -> None:
    made = requests_made_by_consumer()
    assert made <= ACTION_OF.keys(), f"say in ACTION_OF what authorises {made - ACTION_OF.keys()}"
    calls = {ACTION_OF[request] for request in made}
    assert actions_of("this") | actions_of("tidy") == calls | BY_LAMBDA.keys()


def test_the_tidy_alone_may_delete_and_that_only_in_the_log() -> None:
    assert actions_of("tidy") - actions_of("this") == {"s3:DeleteObject"}
    assert resources_of("processor", "tidy", "DeleteWhatIsTidied") == {"${var.archive_bucket_arn}/raw/*"}


def test_each_table_allows_what_is_done_to_it() -> None:
    """Items of a log entry are immutable, and looked for before they are written again; an alert is created once."""
    immutable = ["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"]
    assert local_value("processor", "table_actions") == {
        "quotes": immutable,
        "candles": immutable,
        "alerts": ["dynamodb:PutItem", "dynamodb:UpdateItem"],
    }
    index = resources_of("processor", "this", "FindUnsentAlerts")
    assert (
        index == {'${var.table_arns["alerts"]}/index/unsent'} == resources_of("processor", "tidy", "FindUnsentAlerts")
    )


def test_the_service_may_call_kinesis_as_it_does_and_nothing_else() -> None:
    called = set()
    for _, tree in trees(SENDER):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if owner.endswith("client") and isinstance(node.func.attr, str):
                    called.add("".join(part.title() for part in node.func.attr.split("_")))
    called |= {match for text in constants(SENDER) for match in re.findall(r"Kinesis_20131202\.([A-Za-z]+)", text)}
    granted = {
        action.removeprefix("kinesis:")
        for entry in statements("producer", "task")
        for action in entry["actions"]
        if action.startswith("kinesis:")
    }
    assert {"PutRecords", "ListShards"} <= called
    assert granted == {
        name for name in called if name in {"PutRecords", "PutRecord"} or name.startswith(("List", "Describe"))
    }


def test_the_audit_reads_what_it_compares_and_can_write_nothing() -> None:
    called = set()
    # It reads through the reading room, but for its face: that alone imports the module which scans.
    not_its_own = {"all_alerts.py", "market.py", "sync.py"}
    audit, reading = list(trees(SERVICE / "audit")), list(trees(SERVICE / "reading"))
    assert not_its_own <= {path.name for path, _ in reading}
    for path, tree in [*audit, *reading]:
        if path.name in not_its_own or path.name == "__init__.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert f"{(node.module or '').rpartition('.')[2]}.py" not in not_its_own, path
                assert not {alias.name for alias in node.names} & {"Market", "open_market", "open_sync"}, path
    for _, tree in [*audit, *((path, tree) for path, tree in reading if path.name not in not_its_own)]:
        called |= calls_through_helpers(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value).rpartition(".")[2]
                if owner in {"s3", "dynamodb", "sqs"}:
                    method = str(node.args[0].value) if node.func.attr == "get_paginator" else node.func.attr  # type: ignore[attr-defined]
                    called.add((owner, method))
    authorised = {
        ("s3", "get_object"): "s3:GetObject",
        ("s3", "list_objects_v2"): "s3:ListBucket",
        ("dynamodb", "query"): "dynamodb:Query",
        ("dynamodb", "batch_get_item"): "dynamodb:BatchGetItem",
    }
    assert called <= authorised.keys(), f"say what authorises {called - authorised.keys()}"
    granted = {action for entry in statements("producer", "audit") for action in entry["actions"]}
    around = {"kms:Decrypt", "elasticfilesystem:ClientMount", "sqs:GetQueueAttributes"}
    assert granted == {authorised[entry] for entry in called} | around
    assert variables_in(local_value("producer", "audit_environment")) <= SETTINGS


OPERATOR_ACTIONS = {
    ("kinesis", "describe_stream_summary"): "kinesis:DescribeStreamSummary",
    ("kinesis", "get_shard_iterator"): "kinesis:GetShardIterator",
    ("kinesis", "get_records"): "kinesis:GetRecords",
    ("s3", "get_object"): "s3:GetObject",
    ("s3", "list_objects_v2"): "s3:ListBucket",
    ("s3", "head_bucket"): "s3:ListBucket",
    ("s3", "delete_objects"): "s3:DeleteObject",
    ("sqs", "receive_message"): "sqs:ReceiveMessage",
    ("sqs", "delete_message_batch"): "sqs:DeleteMessage",
    ("sqs", "change_message_visibility_batch"): "sqs:ChangeMessageVisibility",
    ("sqs", "get_queue_attributes"): "sqs:GetQueueAttributes",
    ("sns", "list_subscriptions_by_topic"): "sns:ListSubscriptionsByTopic",
    ("dynamodb", "describe_table"): "dynamodb:DescribeTable",
    ("dynamodb", "query"): "dynamodb:Query",
    ("dynamodb", "put_item"): "dynamodb:PutItem",
}
# redrive and backfill send through the sender; rules are put by hand; everything is under one key.
OPERATOR_BESIDES = {"kinesis:ListShards", "kinesis:PutRecords", "s3:PutObject", "kms:Decrypt", "kms:GenerateDataKey"}


def test_operators_may_do_what_their_commands_do_and_nothing_else() -> None:
    # backfill asks the reading room for the candles that there are.
    called = {("dynamodb", "query")}
    for room in ("doctor", "redrive", "backfill", "lake"):
        for path, tree in trees(ROOT / "service" / "stockstream" / room):
            called |= calls_through_helpers(tree)
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                owner = ast.unparse(node.func.value).rpartition(".")[2].lstrip("_")
                # backfill's only client of AWS is DynamoDB's.
                owner = "dynamodb" if owner == "client" and path.name == "candles.py" else owner
                method = node.func.attr
                if method == "partition_key":
                    continue
                if method == "get_paginator":
                    method = ast.literal_eval(node.args[0])
                if owner in {"kinesis", "s3", "sqs", "sns", "dynamodb"} and ("_" in method or method == "query"):
                    called.add((owner, method))
    assert called <= OPERATOR_ACTIONS.keys(), f"say what authorises {called - OPERATOR_ACTIONS.keys()}"
    granted = {action for entry in statements("operator", "this") for action in entry["actions"]}
    assert granted == {OPERATOR_ACTIONS[entry] for entry in called} | OPERATOR_BESIDES


REBUILD_ACTIONS = {
    "get_object": "s3:GetObject",
    "put_new": "s3:PutObject",
    "put_if": "s3:PutObject",
    "list_keys": "s3:ListBucket",
    # Of the log's own writes, none of which is doubtful.
    "settle": "dynamodb:BatchWriteItem",
    "describe_stream_summary": "kinesis:DescribeStreamSummary",
    "list_tags_for_stream": "kinesis:ListTagsForStream",
    "list_event_source_mappings": "lambda:ListEventSourceMappings",
}


def test_whoever_rebuilds_may_do_what_it_does_and_call_the_tidy() -> None:
    called = {
        node.func.attr
        for node in ast.walk(ast.parse((CONSUMER / "rebuild.py").read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value).rpartition(".")[2] in {"stores", "writer"}
    }
    guard = ast.parse((SERVICE / "local" / "event_source.py").read_text())
    for function in ast.walk(guard):
        if isinstance(function, ast.AsyncFunctionDef) and function.name in {"refuse_while_consumed", "_mappings"}:
            called |= {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)} & {
                "describe_stream_summary",
                "list_tags_for_stream",
            }
            texts = {text.value for text in ast.walk(function) if isinstance(text, ast.Constant)}
            called |= {"list_event_source_mappings"} & texts
    assert called == REBUILD_ACTIONS.keys()
    granted = {action for entry in statements("operator", "rebuild") for action in entry["actions"]}
    besides = {"lambda:InvokeFunction", "kms:Decrypt", "kms:GenerateDataKey"}
    assert granted == {*REBUILD_ACTIONS.values()} | besides
    assert resources_of("operator", "rebuild", "WriteCheckpoints") == {"${var.archive_bucket_arn}/state/*"}


# --- metrics --------------------------------------------------------------------------------------------------------


def own_metrics_watched() -> dict[str, set[str]]:
    """Names of our own metrics in alarms and dashboard, by component."""
    text = "".join(path.read_text(encoding="utf-8") for path in module("observability").glob("*.tf"))
    watched: dict[str, set[str]] = {"service": set(), "consumer": set()}
    for name, component in re.findall(r'metric = "(\w+)", dimensions = local\.(\w+)', text):
        watched[component].add(name)
    for names, component in re.findall(
        r"for metric in \[([^\]]+)\] : concat\(\[local\.namespace, metric\], local\.(\w+)_line\)", text
    ):
        watched[component] |= set(re.findall(r'"(\w+)"', names))
    for name, component in re.findall(r'concat\(\[local\.namespace, "(\w+)"\], local\.(\w+)_line\)', text):
        watched[component].add(name)
    return watched


def test_alarms_and_dashboard_watch_metrics_that_are_emitted() -> None:
    emitted = {
        "service": {spec.name for spec in SERVICE_METRICS},
        "consumer": set(consumer_observability.METRIC_UNITS),
    }
    watched = own_metrics_watched()
    assert len(watched["service"]) >= 8
    assert len(watched["consumer"]) >= 6
    for component, names in watched.items():
        assert names <= emitted[component], f"{component} does not emit {names - emitted[component]}"


def test_metrics_have_terraforms_namespace_and_component() -> None:
    assert local_value("observability", "namespace") == NAMESPACE == consumer_observability.METRIC_NAMESPACE
    for component, name in (("service", COMPONENT), ("consumer", consumer_observability.COMPONENT)):
        watched = {"Component": name, "Deployment": "${var.name}"}
        assert local_value("observability", component) == watched
        assert tuple(watched) == DIMENSIONS == consumer_observability.DIMENSIONS
    # The names that whoever sets nothing gets are one, too.
    assert Settings.model_fields["deployment"].default == DEFAULT_DEPLOYMENT == DEFAULT_CONSUMER_DEPLOYMENT


def test_a_deployments_name_is_what_the_settings_take() -> None:
    rule = next(block for block in blocks(INFRA, "variable") if block.labels == ("name",)).body["validation"][0]
    (pattern,) = (entry.pattern for entry in Settings.model_fields["deployment"].metadata if hasattr(entry, "pattern"))
    assert f'regex("{pattern}"' in rule["condition"]
