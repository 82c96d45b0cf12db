"""How long tests wait for what must come."""

from typing import Final

# A bound against hanging and no measure of speed: a cold machine that is busy with other things takes its time.
PATIENCE_SECONDS: Final = 240.0
