"""Measurements behind what dmtest claims: a folder for each thing that is measured."""
