"""Exchange sessions: which local day and minute a quote belongs to, by the exchange's own time zone."""

from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

DEFAULT_ZONE: Final = "America/New_York"

# Yahoo's exchange codes, by time zone. Unlisted ones fall back to the symbol's suffix.
_ZONES: Final[dict[str, str]] = {
    "America/New_York": "NMS NGM NCM NYQ ASE PCX BTS PNK OQB OQX OEM NIM SNP DJI CXI CGI WCB NYM CMX CME CBT NYB",
    "America/Toronto": "TOR VAN CNQ NEO",
    "America/Sao_Paulo": "SAO",
    "America/Mexico_City": "MEX",
    "America/Argentina/Buenos_Aires": "BUE",
    "America/Santiago": "SGO",
    "Europe/London": "LSE IOB AQS FGI",
    "Europe/Dublin": "ISE",
    "Europe/Lisbon": "LIS",
    "Europe/Madrid": "MCE",
    "Europe/Paris": "PAR ENX",
    "Europe/Brussels": "BRU",
    "Europe/Amsterdam": "AMS",
    "Europe/Berlin": "GER FRA STU BER DUS MUN HAM HAN",
    "Europe/Zurich": "EBS ZRH",
    "Europe/Rome": "MIL TLO",
    "Europe/Vienna": "VIE",
    "Europe/Stockholm": "STO",
    "Europe/Copenhagen": "CPH",
    "Europe/Oslo": "OSL",
    "Europe/Helsinki": "HEL",
    "Europe/Warsaw": "WSE",
    "Europe/Athens": "ATH",
    "Europe/Istanbul": "IST",
    "Asia/Jerusalem": "TLV",
    "Asia/Riyadh": "SAU",
    "Africa/Johannesburg": "JNB",
    "Asia/Kolkata": "NSI BSE",
    "Asia/Bangkok": "SET",
    "Asia/Jakarta": "JKT",
    "Asia/Singapore": "SES",
    "Asia/Kuala_Lumpur": "KLS",
    "Asia/Hong_Kong": "HKG",
    "Asia/Shanghai": "SHH SHZ",
    "Asia/Taipei": "TAI TWO",
    "Asia/Seoul": "KSC KOE",
    "Asia/Tokyo": "JPX OSA FKA SAP",
    "Australia/Sydney": "ASX",
    "Pacific/Auckland": "NZE",
    # Crypto and currencies trade round the clock; Yahoo's day is UTC's for the one, London's for the other.
    "UTC": "CCC",
    "Europe/London ": "CCY",
}
_ZONE_OF_EXCHANGE: Final = {code: zone.strip() for zone, codes in _ZONES.items() for code in codes.split()}

_ZONE_OF_SUFFIX: Final = {
    suffix: _ZONE_OF_EXCHANGE[exchange]
    for suffix, exchange in (
        ("TO", "TOR"), ("V", "VAN"), ("CN", "CNQ"), ("NE", "NEO"), ("SA", "SAO"), ("MX", "MEX"), ("BA", "BUE"),
        ("SN", "SGO"), ("L", "LSE"), ("IL", "IOB"), ("IR", "ISE"), ("LS", "LIS"), ("MC", "MCE"), ("PA", "PAR"),
        ("BR", "BRU"), ("AS", "AMS"), ("DE", "GER"), ("F", "FRA"), ("SG", "STU"), ("BE", "BER"), ("DU", "DUS"),
        ("MU", "MUN"), ("HM", "HAM"), ("SW", "EBS"), ("MI", "MIL"), ("TI", "TLO"), ("VI", "VIE"), ("ST", "STO"),
        ("CO", "CPH"), ("OL", "OSL"), ("HE", "HEL"), ("WA", "WSE"), ("AT", "ATH"), ("IS", "IST"), ("TA", "TLV"),
        ("SR", "SAU"), ("JO", "JNB"), ("NS", "NSI"), ("BO", "BSE"), ("BK", "SET"), ("JK", "JKT"), ("SI", "SES"),
        ("KL", "KLS"), ("HK", "HKG"), ("SS", "SHH"), ("SZ", "SHZ"), ("TW", "TAI"), ("TWO", "TWO"), ("KS", "KSC"),
        ("KQ", "KOE"), ("T", "JPX"), ("AX", "ASX"), ("NZ", "NZE"),
    )
}  # fmt: skip


class LocalMinute(NamedTuple):
    """The exchange's local day, as `2026-11-20`, and the minute of that day, 0 to 1439."""

    session: str
    minute: int


@lru_cache(maxsize=4096)
def zone_of(symbol: str, exchange: str | None) -> str:
    """Find the time zone of a symbol's exchange: by exchange code, else by suffix, else New York's."""
    if exchange is not None and exchange in _ZONE_OF_EXCHANGE:
        return _ZONE_OF_EXCHANGE[exchange]
    if symbol.endswith("=X"):
        return _ZONE_OF_EXCHANGE["CCY"]
    stem, dot, suffix = symbol.rpartition(".")
    if dot and stem:
        return _ZONE_OF_SUFFIX.get(suffix, DEFAULT_ZONE)
    if symbol.endswith(("-USD", "-EUR", "-GBP", "-USDT", "-BTC")):
        return "UTC"
    return DEFAULT_ZONE


@lru_cache(maxsize=8192)
def local_minute(utc_minute: str, zone: str) -> LocalMinute:
    """Convert the first 16 characters of a wire timestamp (`2026-11-20T14:30`, UTC) to the exchange's local minute."""
    local = datetime.fromisoformat(utc_minute + ":00+00:00").astimezone(ZoneInfo(zone))
    return LocalMinute(local.date().isoformat(), local.hour * 60 + local.minute)
