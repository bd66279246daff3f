"""The simulated cohort: patients, laboratory values and four kinds of picture, with the truth kept apart."""
