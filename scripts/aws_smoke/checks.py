"""The checks, in the order in which they are made: each needs what the ones before it left."""

import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from scripts.aws_smoke.context import Check, Context, FailedError, SkippedError, refused, wait_for
from scripts.infra_apply.pipeline import replay_session

_NO_POLICIES: Final = "does not evaluate bucket policies"
_NO_MATH: Final = "does not evaluate metric math"
_NO_LAMBDA: Final = "does not run the zip as Lambda does"
_NO_FARGATE: Final = "runs no containers"
_NO_FIREHOSE: Final = "does not deaggregate, and converts nothing"
_NO_MAIL: Final = "sends no mail"
_NO_TARGETS: Final = "calls no ECS from a schedule"
_CANNED: Final = "answers queries with canned rows"
_NO_CONDITIONS: Final = "denies whatever the conditions of a policy say"
_NO_PYTZ: Final = "wants pytz for a column of times, and does not bring it"


# A line of the archive, under a symbol that nobody follows.
_QUOTE: Final = (
    b'{"v":1,"symbol":"AWS-SMOKE","timestamp":"2026-11-20T14:30:00.000Z","open":100,"high":101,"low":99,"price":100.5,'
    b'"previous_close":100,"volume":1000}\n'
)


def both(reason: str) -> dict[str, str]:
    return {"ministack": reason, "moto": reason}


def _bucket(context: Context) -> str:
    return str(context.outputs["archive_bucket"])


def _records_in_cbor(context: Context) -> str:
    problems, quotes = replay_session(context.outputs, context.endpoint_url, context.folder / "session")
    if problems:
        raise FailedError("; ".join(problem.text for problem in problems))
    return f"{quotes} quotes acknowledged by PutRecords as our transport writes it"


def _conditional_writes(context: Context) -> str:
    s3, key = context.client("s3"), f"state/aws-smoke-{context.started_ms}"
    bucket = _bucket(context)
    first = s3.put_object(Bucket=bucket, Key=key, Body=b"1", IfNoneMatch="*")
    again = refused(lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"2", IfNoneMatch="*"))
    second = s3.put_object(Bucket=bucket, Key=key, Body=b"2", IfMatch=first["ETag"])
    stale = refused(lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"3", IfMatch=first["ETag"]))
    absent = refused(lambda: s3.get_object(Bucket=bucket, Key=f"{key}-absent"))
    seen = {"If-None-Match on a key that is there": again, "a stale If-Match": stale, "a key that is not there": absent}
    expected = ["412 PreconditionFailed", "412 PreconditionFailed", "404 NoSuchKey"]
    if list(seen.values()) != expected or second["ETag"] == first["ETag"]:
        raise FailedError(f"{seen}, where {expected} was expected")
    return "412 for both conditions, NoSuchKey at the end of the log"


def _bucket_policy(context: Context) -> str:
    s3, bucket = context.client("s3"), _bucket(context)
    key, guarded = f"raw/dt=first/aws-smoke-{context.started_ms}.json.gz", f"state/aws-smoke-{context.started_ms}"
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(b""), IfNoneMatch="*")
    source = {"Bucket": bucket, "Key": key}
    seen = {
        "an unconditional write to raw/": refused(lambda: s3.put_object(Bucket=bucket, Key=f"{key}.2", Body=b"")),
        "an unconditional write to state/": refused(lambda: s3.put_object(Bucket=bucket, Key=guarded, Body=b"")),
        "a copy into raw/": refused(lambda: s3.copy_object(Bucket=bucket, Key=f"{key}.3", CopySource=source)),
        "a delete under raw/": refused(lambda: s3.delete_object(Bucket=bucket, Key=key)),
        "a delete under state/": refused(lambda: s3.delete_object(Bucket=bucket, Key=guarded)),
    }
    if passed := [what for what, answer in seen.items() if answer is None or not answer.startswith("403")]:
        raise FailedError(f"not refused: {', '.join(passed)}")
    return "writes without a condition, copies and our own deletes are refused"


def _consumer_stores(context: Context) -> str:
    dynamodb = context.client("dynamodb")
    count = wait_for(
        "quote in the table",
        300,
        lambda: dynamodb.scan(TableName=context.outputs["table_names"]["quotes"], Select="COUNT")["Count"],
    )
    objects = context.client("s3").list_objects_v2(Bucket=_bucket(context), Prefix="raw/")
    keys = [entry["Key"] for entry in objects.get("Contents", ())]
    return f"{count} quotes or more in the table, {len(keys)} objects in the log"


def _tidy_runs(context: Context) -> str:
    answer = context.client("lambda").invoke(
        FunctionName=context.outputs["tidy_function_name"], Payload=json.dumps({"dry_run": True}).encode()
    )
    text = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise FailedError(text)
    return f"the tidy's dry run says {text[:120]}"


def _athena(context: Context, query: str) -> list[list[str]]:
    athena, target = context.client("athena"), context.outputs["athena"]
    run = athena.start_query_execution(
        QueryString=query, WorkGroup=target["workgroup"], QueryExecutionContext={"Database": target["database"]}
    )["QueryExecutionId"]

    def status() -> Any:
        found = athena.get_query_execution(QueryExecutionId=run)["QueryExecution"]["Status"]
        return found if found["State"] in {"SUCCEEDED", "FAILED", "CANCELLED"} else None

    ended = wait_for("end of the query", 120, status)
    if ended["State"] != "SUCCEEDED":
        raise FailedError(ended.get("StateChangeReason", ended["State"]))
    rows = athena.get_query_results(QueryExecutionId=run)["ResultSet"]["Rows"]
    return [[cell.get("VarCharValue", "") for cell in row["Data"]] for row in rows[1:]]


def _empty_gzip(context: Context) -> str:
    """The log's rolls and closes are empty gzips in the table's folder; they must be no rows and no error."""
    s3, prefix = context.client("s3"), f"raw/dt=first/aws-smoke-{context.started_ms}"
    for name, lines in (("quote", _QUOTE), ("empty", b"")):
        key = f"{prefix}-{name}.json.gz"
        s3.put_object(Bucket=_bucket(context), Key=key, Body=gzip.compress(lines), IfNoneMatch="*")
    (row,) = _athena(context, "SELECT count(*), max(price) FROM stock_data_table WHERE symbol = 'AWS-SMOKE'")
    if int(row[0]) != 1:
        raise FailedError(f"{row[0]} rows of an object with one quote and one with none")
    return f"one quote in one row at {row[1]}, no row of the empty gzip"


def _published_queries(context: Context) -> str:
    athena, workgroup = context.client("athena"), context.outputs["athena"]["workgroup"]
    ids = athena.list_named_queries(WorkGroup=workgroup)["NamedQueryIds"]
    saved = [athena.get_named_query(NamedQueryId=entry)["NamedQuery"] for entry in ids]
    published = sorted((query for query in saved if query["Name"].startswith("published: ")), key=lambda q: q["Name"])
    if len(published) != 4:
        raise FailedError(f"{len(published)} published queries are saved, not 4")
    counts = {
        query["Name"].removeprefix("published: "): len(_athena(context, query["QueryString"])) for query in published
    }
    return ", ".join(f"{name}: {rows} rows" for name, rows in counts.items())


def _saved_log_queries(context: Context) -> str:
    prefix = context.outputs["stream_name"]
    found = context.client("logs").describe_query_definitions(queryDefinitionNamePrefix=prefix)["queryDefinitions"]
    if len(found) != 4:
        raise FailedError(f"{len(found)} saved queries of Logs Insights, not 4")
    return "four, over log groups that were there in time"


def _firehose(context: Context) -> str:
    s3 = context.client("s3")

    def delivered() -> Any:
        return s3.list_objects_v2(Bucket=_bucket(context), Prefix="quotes/dt=").get("Contents")

    wait_for("Parquet file", 1200, delivered)
    (row,) = _athena(context, "SELECT count(*), count(DISTINCT symbol), min(price) FROM quotes")
    errors = s3.list_objects_v2(Bucket=_bucket(context), Prefix="quotes-errors/").get("KeyCount", 0)
    if int(row[0]) == 0 or errors:
        raise FailedError(f"{row[0]} rows of Parquet, {errors} error objects")
    return f"{row[0]} rows of {row[1]} symbols out of aggregated records, no error objects"


def _silent_consumer(context: Context) -> str:
    function, name = context.outputs["consumer_function_name"], context.outputs["stream_name"]
    lambda_, cloudwatch, kinesis = (context.client(service) for service in ("lambda", "cloudwatch", "kinesis"))
    (mapping,) = lambda_.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    heartbeat = {
        "MetricName": "Heartbeat",
        "Dimensions": [{"Name": "Component", "Value": "service"}, {"Name": "Deployment", "Value": name}],
        "Value": 1,
    }
    alarm = f"{name}-consumer-silent"

    def look() -> Any:
        cloudwatch.put_metric_data(Namespace="Stockstream", MetricData=[heartbeat])
        kinesis.put_record(StreamName=name, PartitionKey="smoke", Data=b"not a quote: silence is to be heard")
        time.sleep(25)
        (found,) = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        return found["StateValue"] == "ALARM"

    lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    began = time.monotonic()
    try:
        wait_for("alarm of a silent consumer", 1800, look)
    finally:
        lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    return f"red {(time.monotonic() - began) / 60:.0f} minutes after the mapping was disabled"


def _mail(context: Context) -> str:
    if context.email is None:
        raise SkippedError("no --email was given")
    sns, topic = context.client("sns"), context.outputs["alerts_topic_arn"]

    def confirmed() -> Any:
        found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return [entry for entry in found if entry["SubscriptionArn"].startswith("arn:")]

    print(f"        waiting ten minutes for a click on the confirmation sent to {context.email}", flush=True)
    wait_for("confirmed subscription", 600, confirmed)
    sent = sns.publish(TopicArn=topic, Subject="Stockstream smoke test", Message="An alert would look like this.")
    return f"message {sent['MessageId']} is on its way to {context.email}; that it came is yours to say"


def _service(context: Context) -> dict[str, str]:
    if context.outputs["service"] is None:
        raise SkippedError("no --image was given")
    found: dict[str, str] = context.outputs["service"]
    return found


def _fargate(context: Context) -> str:
    service, ecs = _service(context), context.client("ecs")

    def running() -> Any:
        (found,) = ecs.describe_services(cluster=service["cluster"], services=[service["service"]])["services"]
        return found["runningCount"] == 1 and found["deployments"][0]["rolloutState"] == "COMPLETED"

    wait_for("running task", 900, running)
    task = ecs.run_task(
        cluster=service["cluster"],
        taskDefinition=service["audit_task"],
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": service["subnets"].split(","),
                "securityGroups": [service["security_group"]],
                "assignPublicIp": "ENABLED",
            }
        },
    )["tasks"][0]["taskArn"]

    def ended() -> Any:
        (found,) = ecs.describe_tasks(cluster=service["cluster"], tasks=[task])["tasks"]
        return found if found["lastStatus"] == "STOPPED" else None

    (container,) = wait_for("end of the audit", 900, ended)["containers"]
    if container.get("exitCode") != 0:
        raise FailedError(f"the audit beside the outbox on EFS ended with {container.get('exitCode')}")
    return "the service runs with its outbox on EFS, and the audit that reads it is clean"


def _schedule(context: Context) -> str:
    """A copy of the market-hours schedule's stop, two minutes from now; the service's tasks must go."""
    service, scheduler, ecs = _service(context), context.client("scheduler"), context.client("ecs")
    name = context.outputs["stream_name"]
    try:
        stop = scheduler.get_schedule(GroupName=name, Name=f"{name}-stop")
    except scheduler.exceptions.ResourceNotFoundException as exc:
        raise FailedError("the market-hours schedule is not there") from exc
    soon = datetime.now(UTC) + timedelta(minutes=2)
    scheduler.create_schedule(
        GroupName=name,
        Name=f"{name}-smoke",
        ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=stop["Target"],
    )

    def stopped() -> Any:
        (found,) = ecs.describe_services(cluster=service["cluster"], services=[service["service"]])["services"]
        return found["desiredCount"] == 0

    try:
        wait_for("stop by the schedule", 400, stopped)
    finally:
        scheduler.delete_schedule(GroupName=name, Name=f"{name}-smoke")
    return "the schedule's own target and role stopped the service"


def _redshift(context: Context) -> str:
    if not context.redshift:
        raise SkippedError("no --redshift was given: it costs about 0.40 USD more")
    target, data = context.outputs["warehouse"], context.client("redshift-data")

    def run(sql: str) -> None:
        id_ = data.execute_statement(WorkgroupName=target["workgroup"], Database=target["database"], Sql=sql)["Id"]

        def ended() -> Any:
            found = data.describe_statement(Id=id_)
            return found if found["Status"] in {"FINISHED", "FAILED", "ABORTED"} else None

        found = wait_for("end of the statement", 300, ended)
        if found["Status"] != "FINISHED":
            raise FailedError(found.get("Error", found["Status"]))

    for name in sorted(target["setup_sql"]):
        run(target["setup_sql"][name])
    return "the three statements of the warehouse run"


_NO_QUERIES: Final = "has no saved queries of Logs Insights"
_NO_REDSHIFT: Final = "has no Redshift that runs SQL"

# Name, what it decides and where that is said, the check, and what each emulator lacks for it.
CHECKS: Final = (
    Check("records in CBOR", "sender.md: PutRecords as our transport writes and signs it", _records_in_cbor),
    Check(
        "conditional writes",
        "consumer.md: who appends first wins, a 404 ends the log",
        _conditional_writes,
        {"moto": _NO_CONDITIONS},
    ),
    Check(
        "bucket policy",
        "operations.md: the bucket guards the log",
        _bucket_policy,
        {"ministack": _NO_POLICIES, "moto": _NO_CONDITIONS},
    ),
    Check("consumer", "deploy.md: its mapping, role and key end in stored quotes", _consumer_stores, both(_NO_LAMBDA)),
    Check("tidy", "consumer.md: the tidy's function and role", _tidy_runs, both(_NO_LAMBDA)),
    Check("saved log queries", "deploy.md: over groups that are there in time", _saved_log_queries, both(_NO_QUERIES)),
    Check("empty gzip", "athena.md: an empty object of the log is no row", _empty_gzip, {"moto": _CANNED}),
    Check(
        "published queries",
        "athena.md: they run verbatim",
        _published_queries,
        {"moto": _CANNED, "ministack": _NO_PYTZ},
    ),
    Check("Firehose", "deploy.md: it takes aggregates apart and writes Parquet", _firehose, both(_NO_FIREHOSE)),
    Check("silent consumer", "operations.md: a disabled mapping rings", _silent_consumer, both(_NO_MATH)),
    Check("mail", "deploy.md: alerts reach an address", _mail, both(_NO_MAIL)),
    Check("Fargate and EFS", "deploy.md: the outbox is mounted, and audited there", _fargate, both(_NO_FARGATE)),
    Check("market hours", "deploy.md: the schedule may do what it is to do", _schedule, both(_NO_TARGETS)),
    Check("Redshift", "deploy.md: auto-copy and its statements", _redshift, both(_NO_REDSHIFT)),
)
