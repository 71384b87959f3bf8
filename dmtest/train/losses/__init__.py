"""Differentiable statistics, and the losses made of them."""
