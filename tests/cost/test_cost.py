"""`stockstream cost`: one price table, one model, and openly beside what was once promised."""

import json
import subprocess
import sys

import pytest

from stockstream.cost import DESIGNS, Scenario, lines, month_so_far


def run(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "stockstream", "cost", *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_the_sum_is_that_of_its_lines_and_the_old_promise_is_named() -> None:
    code, text, _ = run("--symbols", "100", "--interval", "30")
    assert code == 0
    assert f"{sum(lines(Scenario('', 100, 30)).values()):,.2f}" in text
    assert '"1-2 USD a month" does not hold' in text
    bill = json.loads(run("--symbols", "100", "--design", "plain", "--json")[1])
    assert bill == DESIGNS["plain"](Scenario("", 100, 30))


@pytest.mark.parametrize("design", sorted(DESIGNS))
def test_more_symbols_never_cost_less(design: str) -> None:
    bills = [sum(DESIGNS[design](Scenario("", symbols, 30)).values()) for symbols in (1, 10, 100, 1000, 5000)]
    assert bills == sorted(bills)
    assert bills[0] > 10


def test_hours_are_what_is_polled() -> None:
    few, many = (json.loads(run("--hours", hours, "--json")[1]) for hours in ("10", "700"))
    assert few["Fargate"] < many["Fargate"]
    assert few["DynamoDB: writes"] < many["DynamoDB: writes"]


def test_half_a_month_is_half_the_bill() -> None:
    case = Scenario("", 100, 30)
    assert sum(month_so_far(case, 0.5).values()) == pytest.approx(sum(lines(case).values()) / 2)


def test_a_region_that_is_not_in_the_table_is_named_and_not_guessed() -> None:
    code, text, error = run("--region", "eu-west-1")
    assert (code, text) == (2, "")
    assert "--region eu-west-1: its prices are not in the table" in error
