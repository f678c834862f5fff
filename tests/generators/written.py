"""Where the generated documents stand."""

from pathlib import Path

__all__ = ["ARCHITECTURE", "REFERENCE", "picture_in", "with_picture"]

ROOT = Path(__file__).parents[2]
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
REFERENCE = ROOT / "docs" / "reference"
_BEGIN = "<!-- picture: made by `make docs` from the imports -->\n"
_END = "\n<!-- end of picture -->"


def picture_in(document: str) -> str:
    """Return the picture that stands between its marks."""
    return document.partition(_BEGIN)[2].partition(_END)[0]


def with_picture(document: str, picture: str) -> str:
    """Return the document with this picture between its marks; raise ValueError when it has no marks."""
    before, begin, rest = document.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError("the document has no place for the picture")
    return f"{before}{begin}{picture}{end}{after}"
