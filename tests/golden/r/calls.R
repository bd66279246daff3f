# Calibration, agreement, rates and adjusted p-values by R, for tests/golden/calls.csv:
#   Rscript tests/golden/r/calls.R tests/golden IRR > tests/golden/calls.csv
# from ordinal_168.csv. rms, psych, vcd and epiR are Debian's packages; IRR is a folder with irr 0.84.1's sources (CRAN).
suppressMessages({library(rms); library(psych); library(vcd); library(epiR)})
given <- commandArgs(TRUE)
for (file in c("kripp.alpha.R", "kappa2.R")) source(file.path(given[2], "R", file))
table <- read.csv(file.path(given[1], "ordinal_168.csv"))
cat("key,value\n")
put <- function(key, value) cat(key, ",", format(unname(value), digits = 15), "\n", sep = "")

p <- plogis(0.9 * (table$test1 - 8) - 0.3)
for (cut in 2:4) {
  y <- as.integer(table$stage >= cut)
  found <- val.prob(p, y, pl = FALSE)
  put(paste0("F", cut, ".slope"), found["Slope"])
  put(paste0("F", cut, ".brier"), found["Brier"])
  put(paste0("F", cut, ".auc"), found["C (ROC)"])
  large <- glm(y ~ offset(qlogis(p)), family = binomial, control = list(epsilon = 1e-14))
  both <- glm(y ~ qlogis(p), family = binomial, control = list(epsilon = 1e-14))
  put(paste0("F", cut, ".intercept"), coef(large)[1])
  put(paste0("F", cut, ".intercept.se"), sqrt(vcov(large)[1, 1]))
  put(paste0("F", cut, ".slope.se"), sqrt(vcov(both)[2, 2]))
  hit <- p >= 0.5
  counts <- table(factor(hit, c(TRUE, FALSE)), factor(y, 1:0))
  rates <- epi.tests(counts, method = "wilson")$detail
  for (name in c("se", "sp", "pv.pos", "pv.neg", "lr.pos", "lr.neg")) {
    row <- rates[rates$statistic == name, ]
    for (what in c("est", "lower", "upper")) put(paste("F", cut, ".", name, ".", what, sep = ""), row[[what]])
  }
}

stages <- function(x) as.integer(cut(x, c(-Inf, quantile(x, c(0.25, 0.5, 0.7, 0.85)), Inf))) - 1
one <- stages(table$test1); two <- stages(table$test2)
counts <- table(factor(one, 0:4), factor(two, 0:4))
write.table(counts, file.path(given[1], "calls_counts.csv"), sep = ",", row.names = FALSE, col.names = FALSE)
for (weights in c("unweighted", "equal", "squared")) {
  put(paste0("kappa.", weights), kappa2(cbind(one, two), weights)$value)
}
of_psych <- cohen.kappa(unclass(counts), w = NULL)
put("kappa.unweighted.se", sqrt(of_psych$var.kappa))
put("kappa.squared.se", unname(Kappa(counts, weights = "Fleiss-Cohen")$Weighted["ASE"])) # psych 2.2.9 says 0.0564
put("kappa.equal.se", unname(Kappa(counts, weights = "Equal-Spacing")$Weighted["ASE"]))
readings <- rbind(table$stage, one, two)
readings[2, seq(1, 168, 7)] <- NA
for (method in c("nominal", "interval")) put(paste0("alpha.", method), kripp.alpha(readings, method)$value)

right <- table(factor(one == table$stage, c(TRUE, FALSE)), factor(two == table$stage, c(TRUE, FALSE)))
put("mcnemar.only_first", right[1, 2]); put("mcnemar.only_second", right[2, 1])
put("mcnemar.p", binom.test(right[1, 2], right[1, 2] + right[2, 1])$p.value)
holm <- p.adjust(c(0.001, 0.04, 0.03, 0.2, 0.011), "holm")
for (k in seq_along(holm)) put(paste0("holm.", k), holm[k])
