"""How models are simulated: rate equations by torchdiffeq or compiled code, delays, stochastic engines."""
