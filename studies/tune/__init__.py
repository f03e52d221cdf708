"""Tune decay rates by hand: figures that follow the sliders, and live training under the same rates."""
