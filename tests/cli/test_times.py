"""Times on a command line: what they may be, and that what is beyond all time is told in one line."""

from datetime import UTC, datetime

import pytest

from stockstream.cli._market import moment_of
from stockstream.cli._times import day_or_moment
from stockstream.errors import InputError

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "end_of_day", "moment"),
    [
        ("-10m", False, datetime(2026, 11, 26, 11, 50, tzinfo=UTC)),
        ("2026-11-20", False, datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20", True, datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-20T14:30-05:00", True, datetime(2026, 11, 20, 19, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_day_of_utc_a_moment_with_its_offset_or_so_long_ago(
    text: str, end_of_day: bool, moment: datetime
) -> None:
    assert moment_of("--from", text, NOW, end_of_day=end_of_day) == moment


@pytest.mark.parametrize("text", ["yesterday", "-999999d", "0001-01-01T00:00+05:00", "9999-12-31", "2026-11-20T14:30"])
def test_what_is_no_time_names_the_option_the_value_and_what_it_may_be(text: str) -> None:
    with pytest.raises(InputError, match=f"--to '{text.replace('+', '.')}'.*write"):
        moment_of("--to", text, NOW, end_of_day=True)


def test_a_command_without_ago_does_not_promise_it() -> None:
    with pytest.raises(InputError, match="write 2026-11-20 or"):
        day_or_moment("--from", "-10m")
