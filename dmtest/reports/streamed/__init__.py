"""The report on a summary of rows that were read once, and need not fit into memory.

Imports only `errors`, `runtime`, `results`, `data`, `targets`, `summaries`, `battery`,
`effects`, `reports.causes`, `reports.diagnosis`, `reports.equivalence`, `reports.measures`,
`reports.one_sample`, `reports.sections`, `reports.verdict`.
"""
