"""Writes a Kubernetes object as a template of Helm's: YAML with places that Helm fills in.

A place is a token in the object until the object is text. So the rest of it is written, and escaped, by one rule.
"""

import re
from typing import Any

import yaml
from typing_extensions import override

__all__ = ["Page", "escaped", "fill"]

_WIDTH = 110
_TOKEN = re.compile(r"zz(\d+)zz")
_BLOCK = re.compile(r"^( *)(- )?zz(\d+)zz(?:: null)?$", re.MULTILINE)
_INDENT = re.compile(r"nindent \+(\d+)")


class Page:
    """One object, and what stands at its tokens."""

    def __init__(self) -> None:
        self._actions: list[str] = []

    def value(self, action: str) -> str:
        """Return what stands for `{{ action }}` as a scalar or within one."""
        return self._token("{{ " + action + " }}")

    def block(self, text: str) -> str:
        """Return what stands for whole lines: a key of a mapping (with the value None), or an item of a list.

        `nindent +2` in the text means two columns further than the place.
        """
        return self._token(text.rstrip("\n"))

    def instead(self, key: str, given: str, default: Any) -> dict[str, None]:
        """Return a mapping's entry `key`: what the values say at `given`, else the default."""
        text = "{{- with GIVEN }}\nKEY:\n  {{- toYaml . | nindent +2 }}\n{{- else }}\nOWN\n{{- end }}"
        own = self.text({key: default}).rstrip("\n")
        return {self.block(fill(text, GIVEN=given, KEY=key, OWN=own)): None}

    def given(self, key: str, given: str) -> dict[str, None]:
        """Return a mapping's entry `key` that is there when the values say something at `given`."""
        text = "{{- with GIVEN }}\nKEY:\n  {{- toYaml . | nindent +2 }}\n{{- end }}"
        return {self.block(fill(text, GIVEN=given, KEY=key)): None}

    def more(self, given: str) -> str:
        """Return what stands for further items of a list: those that the values have at `given`."""
        return self.block(fill("{{- with GIVEN }}\n{{- toYaml . | nindent +0 }}\n{{- end }}", GIVEN=given))

    def text(self, document: Any) -> str:
        """Write an object, or a part of one."""
        dumped = yaml.dump(
            document, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True, default_flow_style=False
        )
        filled = _BLOCK.sub(self._lines, escaped(dumped))
        return _TOKEN.sub(lambda found: self._actions[int(found[1])], filled)

    def _token(self, action: str) -> str:
        self._actions.append(action)
        return f"zz{len(self._actions) - 1}zz"

    def _lines(self, found: re.Match[str]) -> str:
        indent, action = found[1], self._actions[int(found[3])]
        if action.startswith("{{ "):
            return found[0]  # a scalar that is all of an item
        lines = _INDENT.sub(lambda more: f"nindent {len(indent) + int(more[1])}", action).splitlines()
        return "\n".join(f"{indent}{line}" if line else line for line in lines)


def fill(text: str, **words: str) -> str:
    """Put something in the place of each word in capitals; actions of Helm's are full of braces as it is."""
    for word, instead in words.items():
        text = text.replace(word, instead)
    return text


def escaped(text: str) -> str:
    """Write text of others so that Helm leaves it as it is."""
    return text.replace("{{", '{{ "{{" }}')


class _Dumper(yaml.SafeDumper):
    """Writes equal parts in full, and texts of several lines as such."""

    @override
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text.rstrip("\n") else None)


_Dumper.add_representer(str, _string)
