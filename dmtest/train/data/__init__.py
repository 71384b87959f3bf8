"""Images to train on: arrays, idx files, CIFAR, folders, digits.

Imports only `errors`, `arguments`, `runtime`, `data`.
"""
