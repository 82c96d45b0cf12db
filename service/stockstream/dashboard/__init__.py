"""The page and the read API `/api/v1`: what a deployment has stored, live, for a browser and for programs.

Both read through `stockstream.reading` and nothing else.
"""

from stockstream.dashboard.access import Access, access_from
from stockstream.dashboard.server import serve_dashboard

__all__ = ["Access", "access_from", "serve_dashboard"]
