"""Which units of gated layers the elements of a tensor carry, followed through a forward pass."""

from pruning.topology.tracing.carry import leaf
from pruning.topology.tracing.feeds import Mixtures, ReadUnits, feeds, join_input_dims, read_units
from pruning.topology.tracing.trace import CarryTrace

__all__ = ["CarryTrace", "Mixtures", "ReadUnits", "feeds", "join_input_dims", "leaf", "read_units"]
