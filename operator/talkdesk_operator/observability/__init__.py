"""What the process shows of itself: metrics and probes. The ground floor: everybody may count.

Belongs here: names, labels and texts of metrics, health. Does not belong here: what is being counted.
"""

__all__: tuple[str, ...] = ()
