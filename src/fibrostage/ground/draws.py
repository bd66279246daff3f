"""Every random draw of the package by name, so that no two share numbers unless they are meant to.

A draw's generator is numpy's, seeded with the run's seed and the draw's own number. The numbers are part of what a run
is: a resumed run must repeat its draws bit for bit, so they never change. Some stand twice, in places that never draw
for the same purpose from the same run; those that must be equal have one name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Draw:
    """One purpose of drawing; `salt` is what its seeds are told apart by."""

    purpose: str
    salt: int

    def of(self, seed: int, *more: int) -> np.random.Generator:
        """The generator of a seed, and of what more tells this draw from others of its purpose."""
        return np.random.default_rng([seed, self.salt, *more])

    def within(self, seed: int, round_: int) -> np.random.Generator:
        """The generator of a seed in a round."""
        return np.random.default_rng([seed, round_, self.salt])


class Draws:
    """The draws there are."""

    HOLDOUT = Draw("who tests, where a share of the patients does", 1)
    FOLDS = Draw("which fold a patient tests in", 2)
    USE = Draw("which training patients there are, for learning curves over patients", 3)
    CONFOUNDING = Draw("folds and shuffles of the confounding check", 3)
    MACRO_AUC = Draw("resamples of patients for the average AUC", 4)
    CALIBRATION = Draw("resamples of patients for calibration", 5)
    HEAD_FIT = Draw("batches of a head on cached features", 5)
    MACRO_DIFFERENCE = Draw("resamples of patients for a difference of average AUCs", 6)
    NETWORK_FIT = Draw("batches and moves of a network on pixels", 6)
    EXAMPLES = Draw("which candidates of a labelled patient are learned from", 7)
    VALIDATION = Draw("which training patients validate", 8)
    EVALUATED = Draw("which candidates of a patient are averaged", 9)
    PASSES = Draw("dropout masks of a round's passes", 10)
    EXPLAINED = Draw("which test patients are explained", 10)
    FIRST_QUERY = Draw("a first query in which every stage occurs", 11)
    TOGETHER = Draw("a round's choice of items that are chosen together", 12)
    WATCHED = Draw("candidates whose predicted stages are compared from round to round", 13)
    AUDIT = Draw("where a loop's audits stand among its questions, and which of a patient's items they are", 14)
    CROSS_FIT = Draw("which answers are left out together when a round's model is fitted without them", 15)
    FORECAST = Draw("resamples of audited patients for a learning curve", 16)
    READERS = Draw("resamples of patients for the agreement of readers", 17)
    SITE_RECALIBRATION = Draw("which patients of a site recalibrate for the others", 18)
    CURVES = Draw("resamples of patients and starts for differences of learning curves", 19)
    MEASURED_APART = Draw("which training patients' pictures are measured from the others'", 21)
    LABELS_IN_HAND = Draw("patients that a choice with the labels in hand tries", 22)
    PHANTOM_PATIENTS = Draw("the states of simulated patients", 0)
    PHANTOM_SHOTS = Draw("which pictures a simulated patient has", 1)
    PHANTOM_PICTURE = Draw("one simulated picture", 2)
    PHANTOM_EXCLUDED = Draw("which simulated patients are not studied", 3)
    PHANTOM_PERSON = Draw("what a simulated patient is called", 4)
    PHANTOM_CEILING = Draw("patients of whom the best reader is told", 20)
