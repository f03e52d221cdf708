"""Pictures of gene networks as plotly figures: courses, phase planes, bifurcation diagrams, graphs.

>>> from grn import plot
>>> from grn.networks import circuits
>>> from grn.networks.simulate import simulate
>>> circuit = circuits.repressilator()
>>> plot.trajectories(simulate(circuit, 600.0), model=circuit).layout.title.text
'repressilator'
"""

from grn.plot.bifurcations import bifurcation
from grn.plot.graph import regulatory_graph
from grn.plot.phase import phase_plane
from grn.plot.series import trajectories

__all__ = ["bifurcation", "phase_plane", "regulatory_graph", "trajectories"]
