"""Where a model goes: steady states, limit cycles, and how they change with a parameter."""
