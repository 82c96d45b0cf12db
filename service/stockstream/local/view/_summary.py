"""The last words of a run: what went in, what was found at the other end, and whether anything is missing."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stockstream.local.summary import Summary
from stockstream.local.view._format import format_age, format_count


def render_summary(summary: Summary) -> RenderableType:
    """Draw the summary of a run."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bright_black")
    table.add_column(justify="right")
    table.add_column(style="bright_black")
    for name, count, meaning in _lines(summary):
        table.add_row(name, format_count(count), meaning)
    rate = summary.accepted / summary.elapsed_seconds if summary.elapsed_seconds > 0 else 0.0
    pace = f"{format_age(summary.elapsed_seconds)}, {rate:,.1f} quotes/s, {summary.endpoint_url}"
    parts: list[RenderableType] = [Text(""), _verdict(summary), Text(pace, style="bright_black"), table]
    if not summary.is_market_data:
        parts.insert(1, Text(f" {summary.source.upper()} DATA - not from the market ", style="bold black on yellow"))
    if summary.error:
        parts.append(Text(f"The run ended early: {summary.error}", style="bold red"))
    return Group(*parts)


def _lines(summary: Summary) -> list[tuple[str, int, str]]:
    lines = [
        ("polled", summary.polled, f"quotes that the source ({summary.source}) gave"),
        ("unchanged", summary.unchanged, "not sent: nothing had changed"),
        ("rejected", summary.rejected, "refused by name, see the log"),
        ("accepted", summary.accepted, "on disk in the outbox"),
        ("late", summary.late, "of them older than the one before: in no candle"),
        ("sent", summary.sent, "acknowledged by Kinesis"),
        ("stored", summary.stored, "items in the table quotes"),
        ("archived", summary.archived, "lines in the archive on S3"),
        ("alerts", summary.alerts, "delivered by SNS"),
        ("quarantined", summary.quarantined, "bad records put aside, with their reason"),
        ("discarded", summary.discarded, "records that the event source gave up on"),
        ("waiting", summary.waiting, "in the outbox for the next run"),
        ("doubled", summary.doubled, "more than one line in the archive"),
        ("lost", summary.lost, "accepted and not found at the other end"),
    ]
    always = {"accepted", "sent", "stored", "archived", "alerts", "lost"}
    return [line for line in lines if line[1] or line[0] in always]


def _verdict(summary: Summary) -> Text:
    if summary.lost or summary.doubled:
        problems = [
            f"{format_count(count)} {word}" for count, word in ((summary.lost, "lost"), (summary.doubled, "doubled"))
            if count
        ]  # fmt: skip
        return Text(f"{' and '.join(problems)} of {format_count(summary.accepted)} accepted quotes", style="bold red")
    if summary.error:
        return Text("The run did not end as it should", style="bold red")
    if not summary.accepted:
        return Text("No quote was accepted", style="bold yellow")
    waiting = f"; {format_count(summary.waiting)} more wait in the outbox" if summary.waiting else ""
    return Text(
        f"Nothing lost: {format_count(summary.stored)} quotes stored and archived, each exactly once{waiting}",
        style="bold green",
    )
