# Sample sizes by R, for tests/golden/planning.csv:
#   Rscript tests/golden/r/planning.R PMSAMPSIZE PMVALSAMPSIZE > tests/golden/planning.csv
# where the two are folders with the sources of pmsampsize 1.1.3 and pmvalsampsize 0.1.0 (CRAN). pROC 1.18 is Debian's.
suppressMessages(library(pROC))
folders <- commandArgs(TRUE)
for (folder in folders) for (file in list.files(file.path(folder, "R"), full.names = TRUE)) source(file)
cat("key,value\n")
put <- function(key, value) cat(key, ",", format(value, digits = 15), "\n", sep = "")

develop <- function(key, ...) {
  made <- suppressMessages(pmsampsize(type = "b", ...))
  for (k in 1:3) put(paste0("development.", key, ".", k), made$results_table[k, 1])
  put(paste0("development.", key, ".r2"), made$rsquared)
}
develop("r2", csrsquared = 0.288, parameters = 24, prevalence = 0.174)
develop("auc", cstatistic = 0.89, parameters = 24, prevalence = 0.174)
develop("liver", cstatistic = 0.85, parameters = 10, prevalence = 0.3)
develop("shrinkage", csrsquared = 0.1, parameters = 8, prevalence = 0.27, shrinkage = 0.95)

validate <- function(key, ...) {
  made <- suppressMessages(pmvalsampsize(type = "b", simobs = 1000000, ...))
  for (k in seq_len(nrow(made$results_table) - 1)) put(paste0("validation.", key, ".", k), made$results_table[k, 1])
}
validate("heart", prevalence = 0.018, cstatistic = 0.8, lpnormal = c(-5, 2.5), oeciwidth = 1)
validate("liver", prevalence = 0.3, cstatistic = 0.85, lpnormal = c(-1.2, 1.9), oeciwidth = 0.4, csciwidth = 0.4,
  sensitivity = 0.85, specificity = 0.7, threshold = 0.3)
validate("cstat", prevalence = 0.3, cstatistic = 0.85, lpcstat = -1.9, oeciwidth = 0.4, csciwidth = 0.4,
  tolerance = 0.001, increment = 0.01)

# Two AUCs on the same patients: DeLong's variance of binormal scores by mvtnorm, and how often pROC's own paired test
# finds the difference among that many simulated patients. (pROC's power.roc.test asks for half as many again: its
# variance of a fitted curve's area leaves out the covariance of the curve's two parameters.)
suppressMessages(library(mvtnorm))
phi2 <- function(a, b, r) pmvnorm(upper = qnorm(c(a, b)), corr = matrix(c(1, r, r, 1), 2), algorithm = TVPACK(1e-12))[1]
set.seed(1)
for (row in list(c(0.85, 0.8, 0.5, 0.3), c(0.9, 0.8, 0.6, 0.5), c(0.88, 0.82, 0.3, 0.27), c(0.75, 0.7, 0.4, 0.2))) {
  a <- row[1]; b <- row[2]; r <- row[3]; share <- row[4]
  spread <- phi2(a, a, 0.5) - a^2 + phi2(b, b, 0.5) - b^2 - 2 * (phi2(a, b, r / 2) - a * b)
  variance <- spread * (1 / share + 1 / (1 - share))
  n <- ceiling((qnorm(0.975) + qnorm(0.8))^2 * variance / (a - b)^2)
  key <- paste(row, collapse = ";")
  put(paste0("difference.", key, ".variance"), variance)
  put(paste0("difference.", key, ".n"), n)
  positives <- round(n * share)
  y <- rep(1:0, c(positives, n - positives))
  found <- replicate(1000, {
    common <- rnorm(n)
    score <- function(area) sqrt(2) * qnorm(area) * y + sqrt(r) * common + sqrt(1 - r) * rnorm(n)
    one <- roc(y, score(a), quiet = TRUE, direction = "<"); two <- roc(y, score(b), quiet = TRUE, direction = "<")
    roc.test(one, two, method = "delong", paired = TRUE)$p.value < 0.05
  })
  put(paste0("difference.", key, ".power"), mean(found))
}

width <- function(p, n) diff(suppressWarnings(prop.test(p * n, n, correct = FALSE))$conf.int)
for (p in c(0.6, 0.8, 0.9, 0.95)) for (w in c(0.1, 0.2)) {
  n <- 1
  while (width(p, n) > w) n <- n + 1
  put(paste0("wilson.", p, ";", w), n)
}
