"""Statistics of whole rows: a `RowView` in, the statistic and the part of it that varies out."""
