"""Pictures of gene networks as plotly figures: courses, phase planes, bifurcation diagrams, graphs.

`cloud_plane` and `hysteresis_loop` draw many genes of Eq. 1, the others an explicit network.

>>> from grn import plot
>>> from grn.networks import circuits
>>> from grn.networks.simulate import simulate
>>> circuit = circuits.repressilator()
>>> plot.trajectories(simulate(circuit, 600.0), model=circuit).layout.title.text
'repressilator'
"""

from grn.plot.bifurcations import bifurcation
from grn.plot.cloud import cloud_plane
from grn.plot.graph import regulatory_graph
from grn.plot.hysteresis import hysteresis_loop
from grn.plot.phase import phase_plane
from grn.plot.series import trajectories

__all__ = [
    "bifurcation",
    "cloud_plane",
    "hysteresis_loop",
    "phase_plane",
    "regulatory_graph",
    "trajectories",
]
