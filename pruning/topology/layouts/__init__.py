"""Where to draw the units of a graph: layered, or by forces; stable from epoch to epoch."""

from pruning.topology.layouts.crossings import count_crossings
from pruning.topology.layouts.force import force_layout
from pruning.topology.layouts.layered import layered_layout
from pruning.topology.layouts.layout import Drawable, Layout

__all__ = ["Drawable", "Layout", "count_crossings", "force_layout", "layered_layout"]
