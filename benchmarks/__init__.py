"""Measurements that back what dmtest claims: ratios against peers, and sizes of tests."""
