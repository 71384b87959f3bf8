# Geary's ratio of the mean absolute deviation to the standard deviation, for the worked example
# of CONTRIBUTING.md:
#   gzip -dc univariate_data.csv.gz | Rscript geary.R > geary.csv
lines <- strsplit(readLines(file("stdin")), ",")
cat("dataset,statistic\n")
for (line in lines) {
  x <- as.numeric(line[-1])
  geary <- mean(abs(x - mean(x))) / sqrt(mean((x - mean(x))^2))
  cat(sprintf("%s,%.17g\n", line[1], geary))
}
