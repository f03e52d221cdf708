"""Options of ``python -m studies tune``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Tune:
    """Tune decay rates by hand on a page in the browser.

    Writes to --out: the rates that are taken along (rates/), and networks that trained on the page (live/).
    """

    host: str = "127.0.0.1"  # address to listen on; 0.0.0.0 lets other machines in
    port: int = 8050  # port to listen on; 0: any that is free
    genes: int = 100_000  # connections whose expression is shown
    seed: int = 0  # of their importance
    out: Path = Path("results/tune")  # directory for rates and live runs

    def check(self) -> None:
        """Refuse options that cannot be served.

        Raises
        ------
        ValueError
            Names the option, what it must be, and what it is.

        Examples
        --------
        >>> Tune(port=70000).check()
        Traceback (most recent call last):
        ...
        ValueError: port must be from 0 to 65535, got 70000
        """
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be from 0 to 65535, got {self.port}")
        if not 100 <= self.genes <= 2_000_000:
            raise ValueError(f"genes must be from 100 to 2,000,000, got {self.genes}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")

    @property
    def loopback(self) -> bool:
        """Whether this machine alone can open the page."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")
