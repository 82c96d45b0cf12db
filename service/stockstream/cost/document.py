"""The tables of docs/cost.md."""

from typing import Final

from stockstream.cost.model import COMPARED, SCENARIOS, lines, sums
from stockstream.cost.quantities import FIRST_MONTH_PART

BEGIN: Final = "<!-- written by `make infra-docs` -->"
END: Final = "<!-- end -->"


def table() -> str:
    """Render every scenario as one Markdown table."""
    costs = [lines(case) for case in SCENARIOS]
    names = list(dict.fromkeys(name for found in costs for name in found))
    rows = [
        "| USD a month | " + " | ".join(case.title for case in SCENARIOS) + " |",
        "|---|" + "---:|" * len(SCENARIOS),
        "| Quotes | " + " | ".join(f"{case.quotes:,.0f}" for case in SCENARIOS) + " |",
    ]
    rows.extend(
        f"| {name} | " + " | ".join(f"{found[name]:.2f}" if name in found else "–" for found in costs) + " |"
        for name in names
    )
    rows.append("| **Sum** | " + " | ".join(f"**{sum(found.values()):.2f}**" for found in costs) + " |")
    return "\n".join(rows)


def comparison() -> str:
    """Render the plain way beside ours as a Markdown table: the first month, and one with all its quotes held."""
    rows = [
        "| USD a month, market hours | " + " | ".join(case.title for case in COMPARED) + " |",
        "|---|" + "---:|" * len(COMPARED),
    ]
    for held, month in ((FIRST_MONTH_PART, "first month"), (1.0, "a month's quotes held all month")):
        bills = [sums(case, held) for case in COMPARED]
        rows.append(f"| Plain published way, {month} | " + " | ".join(f"{bill[0]:,.2f}" for bill in bills) + " |")
        for number, name in enumerate(("The log, on demand", "The log, provisioned"), 1):
            cells = [f"{bill[number]:,.2f} ({bill[0] / bill[number]:.1f}x)" for bill in bills]
            rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """Put the tables between the markers of the page."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{comparison()}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"
