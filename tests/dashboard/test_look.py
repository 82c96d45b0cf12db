"""Every place on a session that went through the whole pipeline: in light, dark and on a phone, by axe-core, and kept.

`STOCKSTREAM_SCREENSHOTS=FOLDER` keeps what was seen, for a person to look at.
"""

import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.dashboard.devtools import Tab, browser_tab
from tests.local.local_command import LocalCommand

ROOT: Final = Path(__file__).resolve().parents[2]
SAMPLE: Final = ROOT / "examples" / "simulated-session.csv.gz"
REAL: Final = sorted((ROOT / ".." / "shared" / "data" / "market").glob("*.csv.gz"))
AXE: Final = Path(__file__).with_name("axe") / "axe.min.js"
AXE_SHA256: Final = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
DESKTOP: Final = (1280, 800)
PHONE: Final = (390, 844)
NARROW: Final = (320, 640)

pytestmark = [pytest.mark.timeout(900), pytest.mark.emulator]


@pytest.fixture(name="page", scope="module", params=["sample", "real"])
def _page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A local run that has replayed a session: which one, and the page's address."""
    if request.param == "real" and not REAL:
        pytest.skip("no recorded session beside this checkout")
    session = SAMPLE if request.param == "sample" else REAL[-1]  # of several symbols
    environment = {
        "STOCKSTREAM_SOURCE": "replay", "STOCKSTREAM_REPLAY_FILES": str(session), "STOCKSTREAM_REPLAY_SPEED": "max",
        "STOCKSTREAM_DASHBOARD_PORT": "0",
    }  # fmt: skip
    command = LocalCommand(tmp_path_factory.mktemp("look"), environment)
    said: list[str] = []
    with command.keep_running(said=said):
        (url,) = [line.split("The page: ")[1].split()[0] for line in said if "The page: " in line]
        yield request.param, url


@pytest.fixture(name="tab")
async def _tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with browser_tab(tmp_path / "profile") as tab:
        yield tab
        assert tab.complaints == []


async def size(tab: Tab, width: int, height: int) -> None:
    await tab.call(
        "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
    )


async def scheme(tab: Tab, name: str) -> None:
    await tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])


async def keep(tab: Tab, name: str) -> None:
    folder = os.environ.get("STOCKSTREAM_SCREENSHOTS")
    if folder:
        content = await tab.call("Page.captureScreenshot", format="png")
        Path(folder).mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else waits
        (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(content["data"]))


async def violations(tab: Tab) -> list[str]:
    await tab.evaluate(AXE.read_text(encoding="utf-8") + "\n;true")
    options = json.dumps({"runOnly": list(RULES), "resultTypes": ["violations"]})
    found: list[dict[str, Any]] = await tab.evaluate(f"axe.run(document, {options}).then((found) => found.violations)")
    return [f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in found]


def test_axe_is_what_its_readme_says() -> None:
    assert hashlib.sha256(AXE.read_bytes()).hexdigest() == AXE_SHA256
    assert AXE_SHA256 in AXE.with_name("README.md").read_text(encoding="utf-8")


PLACES: Final = {
    "watch": ("", "document.querySelectorAll('td.price').length > 2 && document.querySelector('.spark polyline')"),
    "symbol": (None, "document.querySelector('.chart canvas') && document.querySelectorAll('tbody td').length > 9"),
    "alerts": ("alerts", "document.querySelector('.rules') && document.querySelector('.feed .alert, .feed .empty')"),
    "health": ("health", "document.querySelectorAll('.stages li').length > 4"),
}  # fmt: skip


@pytest.mark.parametrize("place", sorted(PLACES))
async def test_every_place_has_no_violation_in_light_dark_and_on_a_phone(
    page: tuple[str, str], tab: Tab, place: str
) -> None:
    session, url = page
    path, is_there = PLACES[place]
    await size(tab, *DESKTOP)
    if path is None:
        await tab.open(url)
        path = await tab.until("document.querySelector('tbody th.symbol a')?.getAttribute('href')?.slice(1)")
    found: list[str] = []
    for name, dimensions, colours in (
        ("light", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("phone", PHONE, "light"), ("narrow", NARROW, "dark"),
    ):  # fmt: skip
        await size(tab, *dimensions)
        await scheme(tab, colours)
        await tab.open(f"{url}{path}")
        assert await tab.until(f"Boolean({is_there})")
        await keep(tab, f"{session}-{place}-{name}")
        found += [f"{name}: {one}" for one in await violations(tab)]
        assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{place} {name} is too wide"
        # What is long scrolls within the page: a window that scrolls beside it shows nothing but emptiness.
        assert await tab.evaluate("document.documentElement.scrollHeight <= innerHeight"), f"{place} {name} is too high"
    assert found == []


async def test_a_level_is_set_by_keys_alone_and_removed(page: tuple[str, str], tab: Tab) -> None:
    _, url = page
    await size(tab, *DESKTOP)
    await tab.open(url)
    symbol = await tab.until("document.querySelector('tbody th.symbol a')?.textContent")
    await tab.press("Enter")
    assert await tab.until(
        "document.querySelector('.rules input') !== null && document.querySelector('.chart canvas') !== null"
    )
    await tab.press("a")
    assert await tab.until("document.activeElement?.matches('.rules input')")
    for key in "123456":
        await tab.press(key)
    await tab.press("Enter")
    assert await tab.until("document.querySelector('.levels li')?.textContent.includes('123,456')")
    assert symbol in await tab.until("document.querySelector('.said')?.textContent")
    assert await violations(tab) == []
    await tab.evaluate("document.querySelector('.levels button').click()")
    assert await tab.until("document.querySelector('.levels li') === null")
