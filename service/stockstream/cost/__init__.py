"""What a deployment costs a month: prices, quantities, the bill of each design, and its texts."""

from stockstream.cost.document import with_table
from stockstream.cost.model import COMPARED, DESIGNS, SCENARIOS, Scenario, lines, month_so_far, plain_lines, sums
from stockstream.cost.prices import AS_OF, check_region
from stockstream.cost.quantities import HOURS, STORED_QUOTE_BYTES, WRITE_UNITS_A_QUOTE
from stockstream.cost.report import render

__all__ = [
    "AS_OF",
    "COMPARED",
    "DESIGNS",
    "HOURS",
    "SCENARIOS",
    "STORED_QUOTE_BYTES",
    "WRITE_UNITS_A_QUOTE",
    "Scenario",
    "check_region",
    "lines",
    "month_so_far",
    "plain_lines",
    "render",
    "sums",
    "with_table",
]
