# Reference values of univariate normality tests, from R's own packages.
#
#   Rscript make_references.R          (in this folder; R >= 4.2, nortest, goftest, tseries)
#
# writes univariate_data.csv.gz (one data set a line: name, values) and univariate.csv.
# Values are rounded to 5 decimals first, so that the file holds them exactly.
# The data are fixed: R's own data sets, normal scores, and Mersenne-Twister draws.

suppressMessages({
  library(nortest)
  library(goftest)
  library(tseries)
})
RNGkind("Mersenne-Twister", "Inversion", "Rejection")
text <- function(x) ifelse(is.na(x), "", formatC(x, digits = 17, format = "g", width = -1))
seeded <- function(seed, draw) {
  set.seed(seed)
  draw
}

samples <- list(
  faithful_eruptions = faithful$eruptions,
  faithful_waiting = faithful$waiting,
  precip = as.numeric(precip),
  log_islands = log(as.numeric(islands)),
  log_rivers = log(as.numeric(rivers)),
  t4_scores_200 = qt(ppoints(200), df = 4),
  normal_scores_51 = qnorm(ppoints(51)),
  normal_5 = seeded(5, rnorm(5)),
  normal_8 = seeded(8, rnorm(8, 3, 2)),
  uniform_8 = seeded(9, runif(8)),
  gamma_11 = seeded(11, rgamma(11, 2)),
  normal_12 = seeded(12, rnorm(12)),
  exponential_12 = seeded(13, rexp(12)),
  normal_51 = seeded(51, rnorm(51, -1, 0.1)),
  uniform_51 = seeded(52, runif(51)),
  normal_100 = seeded(100, rnorm(100)),
  t5_100 = seeded(101, rt(100, 5)),
  normal_101 = seeded(102, rnorm(101)),
  normal_1000 = seeded(1000, rnorm(1000)),
  t10_1000 = seeded(1001, rt(1000, 10)),
  gamma_1000 = seeded(1002, rgamma(1000, 40)),
  normal_4999 = seeded(4999, rnorm(4999)),
  t30_4999 = seeded(5000, rt(4999, 30)),
  normal_20000 = seeded(20000, rnorm(20000)),
  beta_20000 = seeded(20001, rbeta(20000, 60, 60))
)
for (species in c("versicolor", "virginica")) {
  for (column in names(iris)[1:4]) {
    samples[[paste0(species, "_", column)]] <- iris[iris$Species == species, column]
  }
}
samples <- lapply(samples, round, digits = 5)

rows <- character(0)
add <- function(dataset, n, source, stat, params, statistic, p) {
  rows[length(rows) + 1] <<- paste(
    dataset, text(n), source, stat, params, text(statistic), text(p),
    sep = ","
  )
}
add_test <- function(dataset, n, source, stat, params, result) {
  add(dataset, n, source, stat, params, unname(result$statistic), unname(result$p.value))
}

for (name in names(samples)) {
  x <- samples[[name]]
  n <- length(x)
  if (n > 7) {
    # goftest has tests of the same names: say whose is meant
    add_test(name, n, "nortest", "ad.test", "", suppressWarnings(nortest::ad.test(x)))
    add_test(name, n, "nortest", "cvm.test", "", suppressWarnings(nortest::cvm.test(x)))
  }
  add_test(name, n, "nortest", "lillie.test", "", nortest::lillie.test(x))
  if (n <= 5000) {
    add_test(name, n, "nortest", "sf.test", "", nortest::sf.test(x))
    add_test(name, n, "stats", "shapiro.test", "", shapiro.test(x))
  }
  add_test(name, n, "tseries", "jarque.bera.test", "", jarque.bera.test(x))
  for (shift in c(0, 0.15)) {
    z <- (1 + 2 * shift) * (x - mean(x)) / sd(x) + shift
    how <- paste0("z=", 1 + 2 * shift, "*(x-mean)/sd+", shift)
    add_test(name, n, "goftest", "ad.test", how, goftest::ad.test(z, "pnorm"))
    add_test(name, n, "goftest", "cvm.test", how, goftest::cvm.test(z, "pnorm"))
    add_test(name, n, "stats", "ks.test asymptotic", how,
      suppressWarnings(ks.test(z, "pnorm", exact = FALSE)))
    if (n <= 1000 && !anyDuplicated(x)) {
      add_test(name, n, "stats", "ks.test exact", how, ks.test(z, "pnorm", exact = TRUE))
    }
  }
}

# The distribution functions themselves, on a grid: upper tails.
for (n in c(3, 8, 20, 100, 1000, Inf)) {
  for (q in c(0.15, 0.25, 0.4, 0.6, 0.78, 0.82, 1, 1.5, 1.99, 2.01, 2.5, 3, 4, 5, 7, 10)) {
    add("grid", n, "goftest", "pAD", "", q, pAD(q, n = n, lower.tail = FALSE))
  }
  for (q in c(0.045, 0.06, 0.1, 0.15, 0.2, 0.3, 0.46, 0.6, 0.74, 0.9)) {
    add("grid", n, "goftest", "pCvM", "", q, pCvM(q, n = n, lower.tail = FALSE))
  }
}

writeLines(c("dataset,n,source,stat,params,statistic,p_value", rows), "univariate.csv")
packed <- gzfile("univariate_data.csv.gz", "w")
writeLines(
  vapply(names(samples), function(name) {
    paste(c(name, vapply(samples[[name]], function(v) format(v, digits = 15), "")), collapse = ",")
  }, ""),
  packed
)
close(packed)
