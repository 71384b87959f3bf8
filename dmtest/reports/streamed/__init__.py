"""The report on a summary of rows that were read once, and need not fit into memory.

Imports only `errors`, `runtime`, `results`, `data`, `targets`, `summaries`, `battery`,
`effects`, `reports.causes`, `reports.diagnosis`, `reports.equivalence`, `reports.one_sample`,
`reports.pictures`, `reports.sections`, `reports.verdict`.
"""
