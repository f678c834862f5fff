"""Writes the generated documents and the chart anew: `make docs`, `make chart`."""

from generators import chart
from generators.reference import reference
from generators.structure import draw
from generators.written import ARCHITECTURE, REFERENCE, with_picture

for name, text in reference().items():
    (REFERENCE / f"{name}.md").write_text(text, encoding="utf-8")
ARCHITECTURE.write_text(with_picture(ARCHITECTURE.read_text(encoding="utf-8"), draw()), encoding="utf-8")
chart.write()
