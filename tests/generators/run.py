"""Writes the generated documents anew: `make docs`."""

from generators.reference import reference
from generators.structure import draw
from generators.written import ARCHITECTURE, REFERENCE, with_picture

REFERENCE.write_text(reference(), encoding="utf-8")
ARCHITECTURE.write_text(with_picture(ARCHITECTURE.read_text(encoding="utf-8"), draw()), encoding="utf-8")
