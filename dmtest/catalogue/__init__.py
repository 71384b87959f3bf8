"""One row for every test, by the hypothesis it is made for."""
