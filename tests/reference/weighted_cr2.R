# CR2 standard errors, Satterthwaite df and HTZ tests of regressions with one dummy a stratum, weighted and not, by clubSandwich.
# Rscript weighted_cr2.R tanzania_training.csv social_insure.csv
# The second file is causaldata's social_insure as CSV. The numbers printed stand in tests/test_weighted_cr2.py.
suppressMessages(library(clubSandwich))
options(digits = 15)
cat(R.version.string, "clubSandwich", as.character(packageVersion("clubSandwich")), "\n")
paths <- commandArgs(trailingOnly = TRUE)

show <- function(name, model, cluster, coefficients, together) {
  v <- vcovCR(model, cluster = cluster, type = "CR2")  # with weights: identity working model, inverse_var = FALSE
  found <- coef_test(model, vcov = v, test = "Satterthwaite", coefs = coefficients)
  for (i in seq_along(coefficients)) cat(name, coefficients[i], found$beta[i], found$SE[i], found$df[i], "\n")
  joint <- Wald_test(model, constraints = constrain_zero(together), vcov = v, test = "HTZ")
  cat(name, "HTZ", joint$Fstat, joint$df_denom, joint$p_val, "\n")
}

d <- read.csv(paths[1])
d <- d[!is.na(d$lnisales0911f), ]
d$cell <- d$branch * 100 + d$hid %% 100
d$across <- 0.5 + (seq_len(nrow(d)) - 1) %% 7 / 4  # varies within clusters
d$whole <- 1 + d$mecid %% 3                        # one value a cluster
model <- lnisales0911f ~ factor(cell) + sales08a + dtreat
for (w in c("none", "across", "whole")) {
  m <- if (w == "none") lm(model, d) else lm(model, d, weights = d[[w]])
  show(paste("tanzania", w), m, d$mecid, c("sales08a", "dtreat"), c("sales08a", "dtreat"))
}
m <- lm(model, d, weights = across)
show("tanzania rows", m, seq_len(nrow(d)), c("sales08a", "dtreat"), c("sales08a", "dtreat"))

s <- read.csv(paths[2])
s$across <- 0.5 + (seq_len(nrow(s)) - 1) %% 7 / 4
s$whole <- 1 + nchar(s$address) %% 3
model <- takeup_survey ~ factor(village) + risk_averse + intensive
for (w in c("none", "across", "whole")) {
  m <- if (w == "none") lm(model, s) else lm(model, s, weights = s[[w]])
  show(paste("insurance", w), m, s$address, c("risk_averse", "intensive"), c("risk_averse", "intensive"))
}
