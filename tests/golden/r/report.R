# Decision curves, net reclassification and standardised differences by R, for tests/golden/report.csv:
#   Rscript tests/golden/r/report.R tests/golden SOURCES > tests/golden/report.csv
# from ordinal_168.csv. SOURCES is a folder with the published sources of dcurves 0.5.1, nricens 1.6 and tableone 0.13.2
# (CRAN), each in a folder of its name; what they need is Debian's, but for packages that these functions do not touch.
suppressMessages({library(dplyr); library(rlang); library(MASS)})
given <- commandArgs(TRUE)
from <- function(package, files) for (file in files) source(file.path(given[2], package, "R", file))
from("dcurves", c("dca.r", "test_consequences.R"))
from("nricens", c("get.uppdwn.bin.R", "nribin.count.main.R", "nribin.R", "categorize.R"))
from("tableone", "modules-smd.R")
table <- read.csv(file.path(given[1], "ordinal_168.csv"))
cat("key,value\n")
put <- function(key, value) cat(key, ",", format(unname(value), digits = 15), "\n", sep = "")

one <- plogis(0.9 * (table$test1 - 8) - 0.3)
two <- plogis(table$test2 - median(table$test2))
for (cut in 2:4) {
  y <- as.integer(table$stage >= cut)
  found <- dca(y ~ one + two, data.frame(y, one, two), thresholds = c(0.05, 0.2, 0.5, 0.8))$dca
  for (k in seq_len(nrow(found)))
    put(paste("F", cut, ".dca.", found$variable[k], ".", found$threshold[k], sep = ""), found$net_benefit[k])
  invisible(capture.output(nri <- suppressMessages(
    nribin(event = y, p.std = two, p.new = one, updown = "category", cut = 0.5, niter = 0, msg = FALSE)
  )))
  for (k in 1:3) put(paste("F", cut, ".", c("nri", "ill", "other")[k], sep = ""), nri$nri[k, 1])
  kinds <- factor(cut(table$test2, c(-Inf, quantile(table$test2, c(0.3, 0.7)), Inf)), labels = c("a", "b", "c"))
  put(paste0("F", cut, ".smd.amount"), StdDiff(table$test1, y))
  put(paste0("F", cut, ".smd.kinds"), StdDiffMulti(kinds, y))
}
