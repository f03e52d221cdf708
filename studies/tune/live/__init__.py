"""Small networks that train in the background under the rates of the tuning page, one process each."""

from studies.tune.live.options import LiveOptions
from studies.tune.live.run import LiveRun
from studies.tune.live.runs import LiveRuns

__all__ = ["LiveOptions", "LiveRun", "LiveRuns"]
