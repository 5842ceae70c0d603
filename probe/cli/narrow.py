"""Tables that fit a narrow terminal: what is long gives way, and what is short is never cut."""

from collections.abc import Container, Iterator, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

GAP = 1  # cells between two columns


def fitted(natural: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths of columns: while they are too wide together, the widest that may gives way, down to its least."""
    widths = list(natural)
    while sum(widths) + GAP * len(widths) > room:  # rich leaves a gap behind the last one, too
        yielding = [index for index, width in enumerate(widths) if width > least[index]]
        if not yielding:
            break
        widths[max(yielding, key=lambda index: widths[index])] -= 1
    return widths


def blocks(first: int, widths: Sequence[int], room: int) -> Iterator[range]:
    """Columns that stand side by side, to the right of one that is repeated; at least one at a time."""
    begin, used = 0, first + GAP
    for index, width in enumerate(widths):
        if index > begin and used + width + GAP > room:
            yield range(begin, index)
            begin, used = index, first + GAP
        used += width + GAP
    yield range(begin, len(widths))


def table_of(
    header: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    *,
    room: int,
    least: dict[str, int],
    folded: Container[str] = (),
) -> Table:
    """`least` names the columns that give way, and how far: they end in an ellipsis, but those that are `folded`."""
    natural = [max(map(cell_len, map(str, (name, *cells)))) for name, *cells in zip(header, *rows, strict=True)]
    smallest = [min(width, least.get(name, width)) for name, width in zip(header, natural, strict=True)]
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name, width in zip(header, fitted(natural, smallest, room), strict=True):
        wraps = name in folded
        table.add_column(name, width=width, no_wrap=not wraps, overflow="fold" if wraps else "ellipsis")
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table
