"""Images to train on: arrays, idx files, CIFAR, folders, digits."""
