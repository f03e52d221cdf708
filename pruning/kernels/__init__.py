"""Loops over gates compiled for the CPU: selection by rank, and zeros where connections are silent.

Each module needs numba, which takes a second to import: import them inside the functions that call them.
"""
