"""Markdown of the generated pages."""

from collections.abc import Iterable, Sequence

__all__ = ["page", "table"]


def page(title: str, *parts: str) -> str:
    """Return a page with that title."""
    return "\n\n".join((f"# {title}", *(part.strip() for part in parts)))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
