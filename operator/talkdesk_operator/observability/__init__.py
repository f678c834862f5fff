"""What the process shows of itself: metrics and probes. The lowest layer: every other may count.

Belongs here: names, labels and help texts of metrics, health. Does not belong here: what is counted.
"""

__all__: tuple[str, ...] = ()
