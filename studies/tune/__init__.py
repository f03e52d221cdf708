"""Tune decay rates by hand: a page whose figures follow the sliders, and live training under the same rates."""
