"""Adds to a CycloneDX document what is in an image beside Python packages: `sbom.py DOCUMENT PYTHON STATUS...`.

PYTHON is the interpreter's version, each STATUS a file of the image's /var/lib/dpkg/status.d.
"""

import json
import sys
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from urllib.parse import quote


def main(document: Path, python: str, records: list[Path]) -> None:
    """Write the document anew."""
    bom = json.loads(document.read_text())
    added = [_debian(HeaderParser().parsestr(record.read_text())) for record in sorted(records)]
    if not any(each["name"].startswith("libpython3") for each in added):
        # An official image has a Python that was compiled for it.
        added.append(_component("python", python, f"pkg:generic/python@{python}"))
    bom["components"] = sorted([*bom.get("components", []), *added], key=lambda each: each["bom-ref"])
    known = {each["ref"] for each in bom.get("dependencies", [])}
    new = [{"ref": each["bom-ref"]} for each in added if each["bom-ref"] not in known]
    bom["dependencies"] = sorted([*bom.get("dependencies", []), *new], key=lambda each: each["ref"])
    document.write_text(json.dumps(bom, indent=2) + "\n")


def _debian(fields: Message) -> dict[str, object]:
    name, version, machine = (fields[key] for key in ("Package", "Version", "Architecture"))
    return _component(name, version, f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={machine}")


def _component(name: str, version: str, purl: str) -> dict[str, object]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], [Path(each) for each in sys.argv[3:]])
