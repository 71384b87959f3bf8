# Writes two_sample.csv: energy::eqdist.e of parts of the data sets in data/.
#   Rscript tests/references/two_sample.R      (R 4.x with the package energy, from this folder's root)
library(energy)
here <- "tests/references"
read <- function(name) as.matrix(read.csv(file.path(here, "data", paste0(name, ".csv"))))
cases <- list(c("iris_setosa", 20), c("iris_setosa", 25), c("trees", 12), c("syn_normal", 15))
rows <- lapply(cases, function(case) {
  x <- read(case[1])
  n <- as.integer(case[2])
  e <- eqdist.e(x, sizes = c(n, nrow(x) - n))
  data.frame(data = case[1], n = n, m = nrow(x) - n, d = ncol(x),
             statistic = sprintf("%.17g", e))
})
write.csv(do.call(rbind, rows), file.path(here, "two_sample.csv"), row.names = FALSE, quote = FALSE)
