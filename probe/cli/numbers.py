"""Numbers on a command line."""

import math
from typing import Any

import click

from probe.cli.faults import Fault


class Number(click.FloatRange):
    """A range that `nan` is not in: compared with its ends, it would be."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if isinstance(number, float) and math.isnan(number):
            raise Fault(f"{param.opts[0] if param is not None else 'a number'} {value}: it takes a number")
        return number
