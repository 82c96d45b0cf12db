"""What is said of refusals: once, again after a quote was accepted, and as lasting where they last."""

from decimal import Decimal

from stockstream.pipeline.refusals import LASTING_SECONDS, SUBJECTS_MAX, Refusals
from stockstream.sources.base import Rejection
from stockstream_wire import Quote

ONE = Decimal(1)


def accepted(symbol: str) -> Quote:
    return Quote(symbol=symbol, timestamp="2026-11-23T15:00:00.000Z", open=ONE, high=ONE, low=ONE, price=ONE,
                 previous_close=ONE)  # fmt: skip


def test_a_refusal_that_repeats_is_said_once_all_night() -> None:
    refusals = Refusals()
    said = 0
    for minute in range(600):
        # The detail differs at each poll: the clock, the price.
        news, _ = refusals.note([Rejection("AAPL", "time_backwards", f"at minute {minute}")], minute * 60.0)
        said += len(news)
    assert said == 1


def test_another_reason_is_news_and_so_is_the_same_one_after_a_quote_was_accepted() -> None:
    refusals = Refusals()
    one = Rejection("AAPL", "time_backwards")
    assert refusals.note([one], 0.0)[0] == [one]
    other = Rejection("AAPL", "absurd_ratio")
    assert refusals.note([other, one], 1.0)[0] == [other, one]
    refusals.accepted([accepted("AAPL")])
    assert refusals.note([one], 2.0)[0] == [one]


def test_a_refusal_that_lasts_is_said_once_and_counted_until_a_quote_is_accepted() -> None:
    refusals = Refusals()
    lasting = []
    for second in range(0, int(LASTING_SECONDS) * 3, 30):
        lasting += refusals.note([Rejection("CL=F", "price_not_positive", str(second))], float(second))[1]
    assert [(item.rejection.subject, item.for_seconds) for item in lasting] == [("CL=F", LASTING_SECONDS)]
    assert refusals.lasting == 1
    refusals.accepted([accepted("CL=F")])
    assert refusals.lasting == 0


def test_a_fund_refused_once_for_good_is_no_lasting_refusal() -> None:
    refusals = Refusals()
    refusals.note([Rejection("FUND", "no_intraday_range")], 0.0)
    assert refusals.lasting == 0


def test_memory_is_bounded() -> None:
    refusals = Refusals()
    refusals.note([Rejection(f"file:{line}", "column_count") for line in range(SUBJECTS_MAX + 5)], 0.0)
    assert len(refusals._refused) == SUBJECTS_MAX
