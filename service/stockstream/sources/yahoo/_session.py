"""yfinance behind one door: its session, guarded, and the cure for a cookie or crumb gone bad.

The only module that imports yfinance, and it is imported at first use, in a worker thread.

yfinance resends a request of its own accord after any status >= 400, keeps the body of a refused crumb request *as the
crumb*, and hides the status. The guard is a session of the class yfinance itself uses, given to it through its public
`session` argument: a refusal by Yahoo's API hosts becomes an exception inside the session, before yfinance can resend
or remember it. One failed call is one request.
"""

import threading
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import peewee
import structlog
import yfinance
from curl_cffi import requests as curl_requests
from yfinance import cache as yf_cache
from yfinance.data import YfData
from yfinance.exceptions import YFException, YFRateLimitError

from stockstream.redaction import redact
from stockstream.sources.yahoo.errors import FailureKind, YahooCallError, kind_of_status

_API_HOSTS: Final = frozenset({"query1.finance.yahoo.com", "query2.finance.yahoo.com"})
_COOKIE_HOST: Final = "fc.yahoo.com"
_CRUMB_PATH: Final = "/v1/test/getcrumb"
_QUOTE_URL: Final = "https://query1.finance.yahoo.com/v7/finance/quote"
_CHART_URL: Final = "https://query2.finance.yahoo.com/v8/finance/chart/"
# Crumbs seen are 11 characters; anything much longer is an error page.
_CRUMB_MAX_LENGTH: Final = 64
# Unpacked. A batch of 99 quotes with every field is 300 kB, a week of minutes 300 kB, the cookie's page 3 MB.
BODY_MAX_BYTES: Final = 16 * 1024 * 1024
_COOKIE_CACHE_KEY: Final = "curlCffi"

log = structlog.get_logger("stockstream.yahoo")


class GuardedSession(curl_requests.Session[Any]):
    """yfinance's kind of session that counts requests, bounds their time, and raises on a refusal.

    Args:
        timeout_seconds: Most that one request may take, name lookup to last byte, whatever yfinance asks for.
    """

    def __init__(self, timeout_seconds: float) -> None:
        # The impersonation that yfinance's own new_session() chooses.
        super().__init__(impersonate="chrome")
        self._timeout_seconds = timeout_seconds
        self._count = threading.local()
        self._total_lock = threading.Lock()
        self.requests_total = 0

    def begin_call(self) -> None:
        """Start counting the requests of this thread's next call."""
        self._count.requests = 0
        self._count.fetched_cookie = False

    def call_requests(self) -> int:
        """Requests this thread has sent since `begin_call`."""
        return int(getattr(self._count, "requests", 0))

    def call_fetched_cookie(self) -> bool:
        """Whether this thread's call fetched a new cookie."""
        return bool(getattr(self._count, "fetched_cookie", False))

    def request(self, method: Any, url: str, *args: Any, **kwargs: Any) -> Any:
        """Send one request.

        Raises:
            YahooCallError: an API host answered with a status of 400 or above, or with a crumb that is none; any host
                answered without end.
        """
        kwargs["timeout"] = self._timeout_seconds
        kwargs.pop("stream", None)
        body = bytearray()

        def keep(block: bytes) -> int:
            # Unpacked by curl, block by block.
            body.extend(block)
            if len(body) > BODY_MAX_BYTES:
                detail = f"the answer of {urlsplit(url).hostname} is larger than {BODY_MAX_BYTES} bytes, unpacked"
                raise YahooCallError(FailureKind.MALFORMED, detail)
            return len(block)

        kwargs["content_callback"] = keep
        self._count.requests = self.call_requests() + 1
        with self._total_lock:
            self.requests_total += 1
        response = super().request(method, url, *args, **kwargs)
        response.content = bytes(body)
        parts = urlsplit(url)
        if parts.hostname == _COOKIE_HOST:
            self._count.fetched_cookie = True
        if parts.hostname in _API_HOSTS:
            _refuse(response, parts.path)
        return response


def _refuse(response: Any, path: str) -> None:
    status = int(response.status_code)
    if status >= 400:
        raise YahooCallError(
            kind_of_status(status),
            f"HTTP {status} for {path}: {response.text[:100]!r}",
            status=status,
            retry_after_seconds=_seconds_or_none(response.headers.get("Retry-After")),
        )
    if path == _CRUMB_PATH and not _is_crumb(response.text):
        raise YahooCallError(FailureKind.UNAUTHORIZED, f"not a crumb: {response.text[:100]!r}", status=status)


def _close_database() -> None:
    """Close this thread's connection to the cookie database: yfinance opens one a thread, and never closes it."""
    database = yf_cache._CookieDBManager._db
    if database is not None and not database.is_closed():
        database.close()


def _is_crumb(text: str) -> bool:
    return 0 < len(text) <= _CRUMB_MAX_LENGTH and not any(c.isspace() or c in "<>{}" for c in text)


def _seconds_or_none(text: object) -> float | None:
    # Retry-After may also be a date; Yahoo has not been seen to send one, and the breaker's own wait serves then.
    try:
        return float(str(text)) if text is not None else None
    except ValueError:
        return None


class YahooSession:
    """Blocking calls to Yahoo, for worker threads. One at a time in a process: yfinance's state is global.

    Args:
        cache_dir: Where yfinance keeps its cookie and time zone databases; made if missing.
        timeout_seconds: Bound on each HTTP request.
    """

    def __init__(self, cache_dir: Path, timeout_seconds: float) -> None:
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            # A read-only root: yfinance then keeps its cookie in memory, and a restart fetches a new one.
            log.warning("yahoo_cache_unusable", folder=str(cache_dir), error=str(exc))
        yfinance.set_tz_cache_location(str(cache_dir))
        yfinance.config.network.retries = 0  # its retries sleep in the calling thread
        self.http = GuardedSession(timeout_seconds)
        self._data = YfData(session=self.http)
        # yfinance's state outlives sessions: a crumb that went with another session's cookie is refused with this one.
        # The cookie comes back from the cache on disk.
        self._forget("basic")

    def quotes(self, symbols: list[str], fields: str) -> bytes:
        """Get one v7 batch; the body of a 200 as it came.

        Raises:
            YahooCallError: of any kind.
        """
        # The names that yfinance sends with its own v7 calls.
        params = {"symbols": ",".join(symbols), "fields": fields, "formatted": "false"}
        return self._call(lambda: self._data.get(_QUOTE_URL, params=params))

    def chart(self, symbol: str) -> bytes:
        """Get one symbol's chart of today; needs neither cookie nor crumb, so it goes around yfinance's.

        Raises:
            YahooCallError: of any kind; a symbol Yahoo has no chart for is BAD_REQUEST with status 404.
        """
        params = {"range": "1d", "interval": "1d"}
        return self._call(lambda: self.http.get(_CHART_URL + quote(symbol, safe=""), params=params))

    def cure(self, strategy: str = "basic") -> None:
        """Throw away the cookie and the crumb, in memory and on disk, so that the next call fetches both anew.

        Private names of yfinance 1.7.0, held by tests/sources_yahoo/test_yahoo_contract.py.

        Args:
            strategy: yfinance's way to the next cookie: `basic`, or `csrf` where basic has just failed.
        """
        self._forget(strategy)
        with self._data._cookie_lock:
            try:
                yf_cache.get_cookie_cache().store(_COOKIE_CACHE_KEY, None)
            except peewee.PeeweeException as exc:
                log.warning("yahoo_cookie_cache_unusable", error=str(exc), remedy="kept in memory from here on")
                yf_cache._CookieCacheManager._Cookie_cache = yf_cache._CookieCacheDummy()
            finally:
                _close_database()

    def _forget(self, strategy: str) -> None:
        with self._data._cookie_lock:
            self.http.cookies.clear()
            self._data._cookie = None
            self._data._crumb = None
            self._data._cookie_strategy = strategy

    def close(self) -> None:
        """Close the session; handles of other threads go with their threads."""
        self.http.close()

    def _call(self, send: Any) -> bytes:
        self.http.begin_call()
        try:
            response = send()
        except YahooCallError as exc:
            self._account(exc)
            raise
        except YFRateLimitError as exc:
            raise self._failure(FailureKind.RATE_LIMITED, exc) from exc
        except (curl_requests.exceptions.RequestException, OSError) as exc:
            raise self._failure(FailureKind.UNREACHABLE, exc) from exc
        except (YFException, peewee.PeeweeException, LookupError, AttributeError, TypeError, ValueError) as exc:
            # What yfinance's cookie code raises on a cookie or a cookie file it did not expect; the cure drops both.
            raise self._failure(FailureKind.UNAUTHORIZED, exc) from exc
        finally:
            _close_database()
        return bytes(response.content)

    def _failure(self, kind: FailureKind, exc: BaseException) -> YahooCallError:
        # curl repeats a proxy that it cannot use, with its password.
        error = YahooCallError(kind, f"{type(exc).__name__}: {redact(str(exc))[:200]}")
        self._account(error)
        return error

    def _account(self, error: YahooCallError) -> None:
        error.http_requests = self.http.call_requests()
        error.fresh_cookie = self.http.call_fetched_cookie()
