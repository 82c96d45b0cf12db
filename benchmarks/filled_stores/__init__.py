"""DynamoDB and S3 full of a month of quotes and candles, in a process of their own, that answer at once.

What is measured against them is the reader: an emulator would be the slower of the two, AWS adds its own milliseconds.
"""
