"""The page in a real browser: it shows what is stored, live, by keys, and goes on when its server starts anew."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.audit.stored_day import DAY, QUOTES, WINDOWS, item_of, quote
from tests.dashboard.devtools import Tab, browser_tab
from tests.dashboard.serving import serving
from tests.dashboard.test_look import violations
from tests.local.local_command import free_port
from tests.reading.stored import Stored, stored_market

# A browser and its server share a busy machine with other tests.
pytestmark = pytest.mark.timeout(600)
SESSION = {"session": DAY}
PRICE = "document.querySelector('td.price')?.textContent"


@pytest.fixture(name="stored")
async def _stored() -> AsyncIterator[Stored]:
    async with stored_market() as stored:
        await stored.begin()
        for item in QUOTES:
            await stored.put("quotes", **item_of(item, **WINDOWS[item.timestamp], **SESSION))
            await stored.append(item)
        await stored.put_alert("AAPL", QUOTES[2].timestamp, value=5.19, threshold=5)
        yield stored


@pytest.fixture(name="tab")
async def _tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with browser_tab(tmp_path / "profile") as tab:
        yield tab
        assert tab.complaints == []


async def test_every_place_is_shown_and_reached_by_keys(stored: Stored, tab: Tab) -> None:
    async with serving(stored) as served:
        await tab.open(served.url)
        assert await tab.until(f"{PRICE} === '98.25'")
        await stored.append(quote(96, "97.5", 9100))
        assert await tab.until(f"{PRICE} === '97.50'")
        assert "replay" in await tab.until("document.querySelector('.banner.note')?.textContent")
        await tab.press("Enter")
        assert await tab.until("location.pathname === '/s/AAPL' && document.querySelector('.chart canvas') !== null")
        await tab.press("d")
        assert await tab.until("document.querySelector('[aria-pressed=true]')?.textContent === '1d'")
        await tab.press("g")
        await tab.press("a")
        assert await tab.until("location.pathname === '/alerts' && document.querySelector('.alert a') !== null")
        assert "against a threshold of 5.00%" in await tab.evaluate("document.querySelector('.alert p').textContent")
        await tab.press("g")
        await tab.press("h")
        assert await tab.until("document.querySelectorAll('#main tbody tr').length === 4")
        await tab.press("?")
        await tab.evaluate("document.querySelectorAll('.stages details').forEach((stage) => { stage.open = true; })")
        assert await tab.until("document.querySelector('.help .switches button') !== null")
        assert await violations(tab) == []


async def test_a_level_is_dragged_on_the_chart_and_a_quotes_record_is_opened(stored: Stored, tab: Tab) -> None:
    async with serving(stored) as served:
        await tab.open(f"{served.url}s/AAPL?i=1m")
        place = "document.querySelector('.level-handle.new:not([hidden])')?.getBoundingClientRect().toJSON()"
        box = await tab.until(f"document.querySelector('.chart canvas') && {place}")
        begin = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await tab.drag(begin, (begin[0], begin[1] - 30))
        price = await tab.until("Number(document.querySelector('.rules input').value)")
        assert price > 98.25
        await tab.press("Enter")
        level = "document.querySelector('.level-handle:not(.new)')"
        assert f"above {price:.2f}" in await tab.until(f"{level}?.getAttribute('aria-label')")
        # By keys too; the form asks before anything is changed.
        await tab.evaluate(f"{level}.focus()")
        await tab.press("ArrowUp")
        await tab.press("Enter")
        assert await tab.until("document.querySelector('.rules form button').textContent.startsWith('Move')")
        moved = await tab.evaluate("document.querySelector('.rules input').value")
        await tab.evaluate("document.querySelector('.rules form button').click()")
        assert await tab.until(
            f"document.querySelector('.levels li')?.textContent.includes('above {float(moved):.2f}')"
        )
        assert await tab.evaluate("document.querySelectorAll('.levels li').length") == 1
        await tab.evaluate("document.querySelector('tbody button.plain').click()")
        assert '"price":98.25' in await tab.until("document.querySelector('.record pre')?.textContent")
        assert await tab.evaluate("document.querySelector('.record code').textContent.startsWith('s3://')")
        assert await violations(tab) == []


async def test_a_mark_on_the_chart_of_days_stands_at_the_day_of_its_session(stored: Stored, tab: Tab) -> None:
    cases = (
        ("2026-11-21T00:30:00.000Z", 86400, "AAPL", "NMS", "2026-11-20T00:00:00Z"),
        ("2026-11-19T23:30:00.000Z", 86400, "BHP.AX", "ASX", "2026-11-20T00:00:00Z"),
        ("2026-11-19T23:30:00.000Z", 86400, "ES=F", "CME", "2026-11-20T00:00:00Z"),
        ("2026-11-20T23:05:00.000Z", 86400, "ES=F", "CME", "2026-11-23T00:00:00Z"),
        ("2026-11-21T00:37:10.000Z", 300, "AAPL", "NMS", "2026-11-21T00:35:00Z"),
    )
    for moment, _, symbol, exchange, _ in cases:
        await stored.put_alert(symbol, moment, exchange=exchange)
    async with serving(stored) as served:
        await tab.open(served.url)
        for moment, step, symbol, _, start in cases:
            found = (
                "Promise.all([import('/static/series.js'), import('/static/store.js')]).then(([series, store]) => "
                f"store.api('alerts?limit=50').then(({{ items }}) => series.windowOf(items.find((alert) => "
                f"alert.symbol === '{symbol}' && Date.parse(alert.timestamp) === Date.parse('{moment}')), {step})))"
            )
            assert await tab.evaluate(found) == datetime.fromisoformat(start).timestamp()
        # What rounds to nothing is neither above nor below it.
        shown = "import('/static/format.js').then((it) => [-0.04, 0.04, -0.06, 0.06].map((z) => it.signed(z, 1)))"
        assert await tab.evaluate(shown) == ["±0.0", "±0.0", "−0.1", "+0.1"]


async def test_a_pointer_that_rests_on_the_chart_lets_the_page_rest(stored: Stored, tab: Tab) -> None:
    async with serving(stored) as served:
        await tab.open(f"{served.url}s/AAPL?i=1m")
        place = "document.querySelector('.chart')?.getBoundingClientRect().toJSON()"
        box = await tab.until(f"document.querySelector('.level-handle.new:not([hidden])') && {place}")
        await tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=box["x"] + 300, y=box["y"] + 100)
        # Drawing moves the crosshair's figures: were they to draw the chart in turn, it would be drawn for ever.
        drawn = await tab.evaluate(
            "new Promise((done) => { const pen = CanvasRenderingContext2D.prototype, fill = pen.fillRect; "
            "let drawn = 0; pen.fillRect = function (...box) { drawn += 1; return fill.apply(this, box); };"
            "setTimeout(() => done(drawn), 1000); })"
        )
        assert drawn < 50


async def test_a_group_is_kept_and_linked_and_the_api_is_tried(stored: Stored, tab: Tab) -> None:
    await stored.append(other := quote(96, "7", 1, symbol="MSFT"))
    await stored.put("quotes", **item_of(other))
    async with serving(stored) as served:
        await tab.open(f"{served.url}?q=MS")
        count = "document.querySelector('table.list')?.getAttribute('aria-rowcount')"
        assert await tab.until(f"{count} === '2'")
        # What the filter leaves becomes the group.
        await tab.evaluate("document.querySelector('.menu').open = true")
        assert await tab.until("document.querySelector('.menu textarea').value === 'MSFT'")
        assert await violations(tab) == []
        await tab.evaluate("document.querySelector('.menu input').focus()")
        for key in "Soft":
            await tab.press(key)
        await tab.press("Enter")
        assert await tab.until("location.search.includes('group=Soft&of=MSFT')")
        await tab.open(f"{served.url}?group=Soft")
        assert await tab.until(f"{count} === '2'")
        await tab.open(f"{served.url}?group=Other&of=AAPL")
        assert await tab.until(f"{count} === '2' && {PRICE} === '98.25'")
        # Another tab saves one meanwhile: it stays.
        await tab.evaluate("localStorage.setItem('stockstream:groups', JSON.stringify({Theirs: ['AAPL']}))")
        await tab.evaluate("document.querySelector('.menu').open = true")
        assert await tab.until("document.querySelector('.menu textarea').value === 'AAPL'")
        await tab.evaluate("document.querySelector('.menu input').focus()")
        await tab.press("Enter")
        groups = "Object.keys(JSON.parse(localStorage.getItem('stockstream:groups'))).sort().join()"
        assert await tab.until(f"{groups} === 'Other,Theirs'")
        # Escape closes it, and leaves the list as it is.
        await tab.evaluate("document.querySelector('.menu').open = true; document.querySelector('.menu input').focus()")
        await tab.press("Escape")
        assert await tab.until("document.activeElement.matches('.menu:not([open]) summary')")
        assert await tab.evaluate("location.search.includes('group=Other')")
        # A name that every object has.
        await tab.open(f"{served.url}?group=constructor")
        assert await tab.until("document.querySelector('.empty')?.textContent.includes('no group “constructor”')")
        await tab.open(f"{served.url}api")
        form = "document.querySelector('#get-quotes-symbol form')"
        assert await tab.until(f"{form}?.querySelector('input').value")
        await tab.evaluate(f"{form}.closest('details').open = true")
        await tab.evaluate(f"{form}.querySelector('button').click()")
        assert '"items"' in await tab.until("document.querySelector('.answer')?.textContent")
        assert await violations(tab) == []


async def test_five_thousand_symbols_make_only_the_rows_that_can_be_seen(stored: Stored, tab: Tab) -> None:
    async with serving(stored) as served:
        await tab.open(f"{served.url}?q=S4")
        # The board has read what there was: a query for each of those to come would be moto's work, not the page's.
        assert await tab.until("document.querySelector('.empty')?.textContent.includes('No symbol matches')")
        for batch in range(5):
            many = [quote(32, "8", 1, symbol=f"S{number}") for number in range(batch * 1000, batch * 1000 + 1000)]
            await stored.append(*many)
        assert await tab.until("document.querySelector('table.list')?.getAttribute('aria-rowcount') === '1112'")
        assert await tab.evaluate("document.querySelectorAll('table.list tbody tr').length") < 60


async def test_a_server_that_starts_anew_is_found_again_and_nothing_is_missing(stored: Stored, tab: Tab) -> None:
    port = free_port()
    async with serving(stored, port=port) as served:
        await tab.open(served.url)
        assert await tab.until(f"{PRICE} === '98.25'")
    assert await tab.until("document.querySelector('.banner.bad') !== null")
    await stored.append(quote(96, "97.5", 9100))
    async with serving(stored, port=port):
        assert await tab.until(f"{PRICE} === '97.50'")
        assert await tab.until("document.querySelector('.banner.bad') === null")
    # The browser tells of each connection that was refused meanwhile: that is no fault of the page's.
    tab.complaints[:] = [text for text in tab.complaints if "net::ERR_" not in text]


async def test_with_a_token_the_page_asks_for_it_and_then_opens(stored: Stored, tab: Tab) -> None:
    async with serving(stored, token="correct-horse-battery") as served:
        await tab.open(served.url)
        assert await tab.until("location.pathname === '/login' && document.querySelector('input') !== null")
        await tab.evaluate("document.querySelector('input').value = 'correct-horse-battery'")
        await tab.evaluate("document.querySelector('form button').click()")
        assert await tab.until(f"{PRICE} === '98.25'")
        assert await tab.evaluate("document.cookie") == ""
