"""The operator."""

from talkdesk_operator.spared import spare_imports

__all__: tuple[str, ...] = ()

spare_imports()
