"""Time zones of exchanges, by Yahoo's code, by suffix and by index: for quotes whose source did not say the session.

All 98 codes of yfinance 1.7 are here, and those of its futures and indices. A source that hears the zone from Yahoo
(`exchangeTimezoneName`) does not ask this table.
"""

from functools import lru_cache
from typing import Final

DEFAULT_ZONE: Final = "America/New_York"

_ZONES: Final[dict[str, str]] = {
    DEFAULT_ZONE: "NMS NGM NCM NAE NYQ NYS ASE PCX BTS PNK OQB OQX OEM NIM SNP DJI CXI CGI WCB OPR YHD "
    "NYM CMX CME CBT NYB NYF CFE",
    "America/Toronto": "TOR VAN CNQ NEO",
    "America/Sao_Paulo": "SAO",
    "America/Mexico_City": "MEX",
    "America/Argentina/Buenos_Aires": "BUE",
    "America/Santiago": "SGO",
    "America/Bogota": "BVC",
    "America/Caracas": "CCS",
    "America/Lima": "LMA",
    "Europe/London": "LSE IOB AQS CXE FGI",
    "Europe/Dublin": "ISE",
    "Europe/Lisbon": "LIS",
    "Europe/Madrid": "MCE MAD",
    "Europe/Paris": "PAR ENX",
    "Europe/Brussels": "BRU",
    "Europe/Amsterdam": "AMS DXE",
    "Europe/Berlin": "GER FRA STU BER DUS MUN HAM HAN EUX",
    "Europe/Zurich": "EBS ZRH",
    "Europe/Rome": "MIL TLO MDD",
    "Europe/Vienna": "VIE",
    "Europe/Prague": "PRA",
    "Europe/Budapest": "BUD",
    "Europe/Bucharest": "BVB",
    "Europe/Warsaw": "WSE",
    "Europe/Stockholm": "STO",
    "Europe/Copenhagen": "CPH",
    "Europe/Oslo": "OSL",
    "Europe/Helsinki": "HEL",
    "Europe/Tallinn": "TAL",
    "Europe/Riga": "RIS",
    "Europe/Vilnius": "LIT",
    "Europe/Athens": "ATH",
    "Europe/Istanbul": "IST",
    "Europe/Moscow": "MCX",
    "Atlantic/Reykjavik": "ICE",
    "Africa/Cairo": "CAI",
    "Africa/Johannesburg": "JNB",
    "Asia/Jerusalem": "TLV",
    "Asia/Riyadh": "SAU",
    "Asia/Kuwait": "KUW",
    "Asia/Qatar": "DOH",
    "Asia/Dubai": "DFM",
    "Asia/Karachi": "KAR",
    "Asia/Kolkata": "NSI BSE",
    "Asia/Colombo": "CSE",
    "Asia/Bangkok": "SET",
    "Asia/Ho_Chi_Minh": "VSE",
    "Asia/Jakarta": "JKT",
    "Asia/Singapore": "SES",
    "Asia/Kuala_Lumpur": "KLS",
    "Asia/Manila": "PHS PHP",
    "Asia/Hong_Kong": "HKG",
    "Asia/Shanghai": "SHH SHZ",
    "Asia/Taipei": "TAI TWO",
    "Asia/Seoul": "KSC KOE",
    "Asia/Tokyo": "JPX OSA FKA SAP",
    "Australia/Sydney": "ASX CXA",
    "Pacific/Auckland": "NZE",
    # The simulated market trades round the clock, and coins do.
    "UTC": "CCC SIM",
}
ZONE_OF_EXCHANGE: Final = {code: zone for zone, codes in _ZONES.items() for code in codes.split()}

_SUFFIXES: Final = (
    "TO:TOR V:VAN CN:CNQ NE:NEO SA:SAO MX:MEX BA:BUE SN:SGO CL:BVC CR:CCS LM:LMA "
    "L:LSE IL:IOB AQ:AQS XC:CXE IR:ISE LS:LIS MC:MCE MA:MAD PA:PAR NX:ENX BR:BRU AS:AMS XD:DXE "
    "DE:GER F:FRA SG:STU BE:BER BM:FRA DU:DUS MU:MUN HM:HAM HA:HAN EX:EUX SW:EBS MI:MIL TI:TLO MDD:MDD VI:VIE "
    "PR:PRA BD:BUD RO:BVB WA:WSE ST:STO CO:CPH OL:OSL HE:HEL TL:TAL RG:RIS VS:LIT IC:ICE AT:ATH IS:IST ME:MCX "
    "CA:CAI JO:JNB TA:TLV SR:SAU SAU:SAU KW:KUW QA:DOH AE:DFM KA:KAR NS:NSI BO:BSE CM:CSE BK:SET VN:VSE JK:JKT "
    "SI:SES KL:KLS PS:PHS HK:HKG SS:SHH SZ:SHZ TW:TAI TWO:TWO KS:KSC KQ:KOE T:JPX AX:ASX XA:CXA NZ:NZE"
)
ZONE_OF_SUFFIX: Final = {
    suffix: ZONE_OF_EXCHANGE[code] for suffix, code in (pair.split(":") for pair in _SUFFIXES.split())
}

# Indices have no suffix; unlisted ones are New York's.
_INDICES: Final = {
    "Asia/Tokyo": "^N225 ^TOPX ^NKVI.OS",
    "Asia/Hong_Kong": "^HSI ^HSCE ^HSCC ^HSIL ^VHSI",
    "Asia/Shanghai": "^SSE ^SSE50",
    "Asia/Taipei": "^TWII",
    "Asia/Seoul": "^KS11 ^KS200 ^KQ11",
    "Asia/Kolkata": "^BSESN ^NSEI ^NSEBANK ^CNXIT ^INDIAVIX ^NSMIDCP ^CRSLDX",
    "Asia/Singapore": "^STI",
    "Asia/Jakarta": "^JKSE ^JKLQ45",
    "Asia/Kuala_Lumpur": "^KLSE",
    "Asia/Karachi": "^KSE ^KSE100",
    "Australia/Sydney": "^AXJO ^AORD ^AXKO ^AXVI ^ATOI ^AFLI ^AXMD ^AXSO",
    "Pacific/Auckland": "^NZ50",
    "Europe/London": "^FTSE ^FTMC ^FTLC ^FTAS ^FTAI",
    "Europe/Berlin": "^GDAXI ^MDAXI ^SDAXI ^TECDAX ^STOXX ^STOXX50E ^V2TX ^HDAX",
    "Europe/Paris": "^FCHI ^N100 ^N150 ^SBF120",
    "Europe/Amsterdam": "^AEX ^AMX",
    "Europe/Brussels": "^BFX",
    "Europe/Zurich": "^SSMI ^SSHI",
    "Europe/Madrid": "^IBEX",
    "Europe/Vienna": "^ATX",
    "Europe/Dublin": "^ISEQ",
    "Europe/Stockholm": "^OMX ^OMXS30 ^OMXSPI ^OMXN40",
    "Europe/Copenhagen": "^OMXC20 ^OMXC25",
    "Europe/Helsinki": "^OMXH25 ^OMXHPI",
    "Europe/Oslo": "^OSEAX ^OSEBX ^OBX",
    "Europe/Budapest": "^BUX.BD",
    "Africa/Cairo": "^CASE30",
    "America/Toronto": "^GSPTSE ^TX60 ^JX",
    "America/Sao_Paulo": "^BVSP ^IBX50",
    "America/Mexico_City": "^MXX",
    "America/Argentina/Buenos_Aires": "^MERV",
    "America/Santiago": "^IPSA ^SPIPSA",
}
_ZONE_OF_INDEX: Final = {index: zone for zone, indices in _INDICES.items() for index in indices.split()}


@lru_cache(maxsize=16_384)
def known_zone_of(symbol: str, exchange: str | None) -> str | None:
    """Find the time zone of a symbol's exchange: by exchange code, else by index, else by suffix; None where none says.

    Args:
        symbol: Ticker as Yahoo spells it.
        exchange: Yahoo's exchange code, where known.
    """
    if exchange is not None and exchange in ZONE_OF_EXCHANGE:
        return ZONE_OF_EXCHANGE[exchange]
    if symbol in _ZONE_OF_INDEX:
        return _ZONE_OF_INDEX[symbol]
    stem, _, suffix = symbol.rpartition(".")
    return ZONE_OF_SUFFIX.get(suffix) if stem else None
