"""Boolean networks: rules, their decision diagrams and multilinear extensions, attractors."""
