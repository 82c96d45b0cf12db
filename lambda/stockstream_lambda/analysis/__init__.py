"""What one symbol's quotes, in order, say: indicators, candles, gate, splits. Pure; O(1) a quote; no I/O."""
