"""`stockstream outbox`: look into an outbox on disk, and read quotes out of it; the service may be running."""

import json
from pathlib import Path

import click

from stockstream.cli._help import WholeHelp
from stockstream.errors import InputError

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(cls=WholeHelp)
def outbox() -> None:
    """Look into an outbox, or read quotes out of it. Nothing is changed, and the service may be running."""


@outbox.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
def inspect(folder: Path, *, as_json: bool) -> None:
    """Say what each file of the outbox in DIR holds, damaged ones included (docs/outbox.md).

    DIR is STOCKSTREAM_OUTBOX_DIR, or the folder of one stream in it.
    """
    from stockstream.outbox.inspect import read_files, state_lines  # noqa: PLC0415 - `--help` needs none of it
    from stockstream.sender.grid import lane_of_key  # noqa: PLC0415

    for outbox_folder in _folders(folder):
        if not as_json:
            click.echo(f"{outbox_folder}")
            for line in state_lines(outbox_folder):
                click.echo(f"  {line}")
        for report, _ in read_files(outbox_folder, lane_of_key):
            if as_json:
                fields = {name: getattr(report, name) for name in report.__slots__}
                click.echo(json.dumps({"folder": str(outbox_folder), **fields}))
                continue
            numbers = f", numbers {report.first} to {report.end - 1}" if report.first and report.end else ""
            damage = f", {report.bad_bytes} bytes damaged" if report.bad_bytes else ""
            damage += f" with {report.damaged_records} records to be read" if report.damaged_records else ""
            click.echo(
                f"  {report.file}: {report.what}, {report.size_bytes} bytes, {report.records} records"
                f" ({report.unsent} unsent){numbers}{damage}"
            )


@outbox.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write, JSON Lines."
)
@click.option("--unsent", is_flag=True, help="Leave out quotes that Kinesis is known to have.")
@click.option("--with-place", is_flag=True, help="Add file, number, state and damage to every line, as `outbox`.")
def export(folder: Path, output: Path, *, unsent: bool, with_place: bool) -> None:
    """Write the quotes of the outbox in DIR to a file, those in damaged files included, one JSON object a line.

    The lines are the quotes' own bytes, which `STOCKSTREAM_SOURCE=replay` reads. A record that is no JSON any more
    becomes an object with `key` and `data_hex`.
    """
    from stockstream.outbox.inspect import read_files  # noqa: PLC0415 - as above
    from stockstream.sender.grid import lane_of_key  # noqa: PLC0415

    folders = _folders(folder)
    written = damaged = 0
    try:
        # Never over something that is there: it may be the only copy.
        with output.open("xb") as file:
            for outbox_folder in folders:
                for _, records in read_files(outbox_folder, lane_of_key):
                    for record in records:
                        if unsent and record.state == "sent":
                            continue
                        place = {
                            "file": record.file,
                            "number": record.number,
                            "state": record.state,
                            "damaged": record.is_damaged,
                        }
                        file.write(_line(record.key, record.data, place if with_place else None))
                        written += 1
                        damaged += record.is_damaged
    except FileExistsError as exc:
        raise InputError(f"{output} exists. Remedy: name a file that does not") from exc
    except OSError as exc:
        raise InputError(f"cannot write {output}: {exc.strerror}. Remedy: name a file in a folder of yours") from exc
    click.echo(f"{written} quotes written to {output}, {damaged} of them from damaged bytes", err=True)


def _folders(folder: Path) -> list[Path]:
    from stockstream.outbox.inspect import outbox_folders  # noqa: PLC0415 - as above

    found = outbox_folders(folder)
    if not found:
        raise InputError(f"{folder} holds no outbox. Remedy: name STOCKSTREAM_OUTBOX_DIR, or the stream's folder in it")
    return found


def _line(key: str, data: bytes, place: dict[str, object] | None) -> bytes:
    try:
        is_object = isinstance(json.loads(data), dict) and b"\n" not in data
    except ValueError:
        is_object = False
    if not is_object:
        data = json.dumps({"key": key, "data_hex": data.hex()}).encode()
    if place is not None:
        data = data[:-1].rstrip() + b', "outbox": ' + json.dumps(place).encode() + b"}"
    return data + b"\n"
