"""Sensitivities, and fits of rates to time series with their uncertainty."""
