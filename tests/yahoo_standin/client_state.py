"""yfinance keeps its state in module globals; a test that needs a fresh client resets them."""

from contextlib import suppress
from typing import Any


def reset_yfinance() -> None:
    """Forget the session, the cookie, the crumb and the open cookie database, as a new process would."""
    import peewee
    import yfinance.cache as yf_cache
    from yfinance.data import SingletonMeta

    cache: Any = yf_cache
    singletons: Any = SingletonMeta
    singletons._instances.clear()
    for manager in (cache._CookieDBManager, cache._TzDBManager):
        if manager._db is not None:
            with suppress(peewee.PeeweeException):
                manager._db.close()
            manager._db = None
    cache._CookieCacheManager._Cookie_cache = None
    cache._TzCacheManager._tz_cache = None
