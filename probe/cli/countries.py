"""Countries as they are named on the command line."""

import re

import click

_CODE = re.compile(r"[A-Za-z]{2}")


def country_code(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A callback of click: the code in capitals."""
    if value is None:
        return None
    if not _CODE.fullmatch(value):
        raise click.BadParameter(f"{value!r}: two letters, such as TR", context, parameter)
    return value.upper()
