"""Variables with our prefix that the service does not read: the consumer's, the notifier's, local mode's."""

from typing import Final, NamedTuple


class ForeignVariable(NamedTuple):
    """A variable of another part: who reads it, its default, what it may be, what it means."""

    reader: str
    default: str
    allowed: str
    meaning: str


FOREIGN_VARIABLES: Final = {
    "STOCKSTREAM_ALERT_RULES_KEY": ForeignVariable(
        "consumer", "`config/alert-rules.json`", "an S3 key", "Alert rules per symbol, in the archive's bucket"
    ),
    "STOCKSTREAM_PARTITIONS": ForeignVariable(
        "consumer", "`4`", "a power of two from 1 to 1024", "Partitions of the log; fixed once the log exists"
    ),
    "STOCKSTREAM_MAX_RECORD_AGE_SECONDS": ForeignVariable(
        "consumer",
        "`43200`",
        "a whole number from 60 to 604800",
        "The event source's maximum record age; windows over for so long and two hours are closed by the clock",
    ),
    "STOCKSTREAM_PARALLEL_CALLS": ForeignVariable(
        "consumer", "`32`", "a whole number from 1 to 128", "Calls to the stores in flight at once"
    ),
    "STOCKSTREAM_NOTIFY_URLS": ForeignVariable(
        "notifier", "–", "up to 20 URLs of Apprise, separated by blanks", "Where alerts are sent ([phone.md](phone.md))"
    ),
    "STOCKSTREAM_WEBHOOK_URL": ForeignVariable("notifier", "–", "an https URL", "Where alerts are posted as JSON"),
    "STOCKSTREAM_WEBHOOK_SECRET": ForeignVariable(
        "notifier", "–", "text", "Key of the signature (HMAC-SHA256) that the webhook is sent with"
    ),
    "STOCKSTREAM_EMULATOR_PYTHON": ForeignVariable(
        "local mode",
        "beside `.venv`, else made in the user's cache",
        "a path",
        "Python whose environment holds the AWS emulator",
    ),
    "STOCKSTREAM_EMULATOR_HOSTS": ForeignVariable(
        "emulator", "–", "host names separated by commas", "Host names that it answers to, beside loopback's"
    ),
}
# What local mode and compose hand on to the handler beside what the service's own settings say.
CONSUMER_VARIABLES: Final = tuple(name for name, known in FOREIGN_VARIABLES.items() if known.reader == "consumer")
NOTIFIER_VARIABLES: Final = tuple(name for name, known in FOREIGN_VARIABLES.items() if known.reader == "notifier")
