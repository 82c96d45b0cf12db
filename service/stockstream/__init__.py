"""The service of Stockstream: polls quotes and streams them into Kinesis. `stockstream.sender` is a library too."""
