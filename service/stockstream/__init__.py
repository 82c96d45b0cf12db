"""The service of Stockstream: polls quotes and streams them into Kinesis.

`stockstream.open()` reads what it has stored; `stockstream.sender` is a library too.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockstream.reading.sync import SyncMarket


def open(endpoint_url: str | None = None) -> "SyncMarket":  # noqa: A001 - `stockstream.open()` reads as it should
    """Open what reads a deployment, for notebooks and scripts: `stockstream.open().latest("AAPL")`.

    Args:
        endpoint_url: Of an emulator, such as http://127.0.0.1:4566. None is the AWS that the environment names, else
            the `stockstream local` that runs on this machine.
    """
    # Imported late: importing the package costs nothing.
    from stockstream.reading.sync import open_sync  # noqa: PLC0415

    return open_sync(endpoint_url)
