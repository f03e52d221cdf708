"""Measures of the graph of units."""
