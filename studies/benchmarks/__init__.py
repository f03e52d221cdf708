"""Measurements of speed and accuracy: each a module to run, each writing a record that the docs quote."""
