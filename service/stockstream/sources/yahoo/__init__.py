"""Yahoo Finance by polling: v7 quote batches through yfinance's own cookie and crumb session.

Nothing in this package imports yfinance when it is imported (0.5-0.8 s and 99 MB): `_session.py` does, at first use.
"""
