"""The fused kernel of pool scoring: mean stage probabilities of a range of candidates under T dropout passes.

A candidate's logits are sums of per-image logits, so the exponentials of its softmax are PRODUCTS of per-image
exponentials, taken once an image and pass. What is left per candidate, pass and stage is a multiplication and
an addition for the normaliser and as many for the mean, and one division a pass: about 4·T·K + T operations,
and no exponential at all. The product over all modalities but the last is shared by neighbouring candidates.

Exponents are taken after subtracting each image's largest logit, so products only underflow where images
contradict one another by some seventy units; such candidates are computed again from their logits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.kernels import compiled

LANES = 8  # passes are padded to whole vectors of float32; a padding pass is uniform and taken out again
UNDERFLOW = np.float32(1e-30)


def padded(passes: int) -> int:
    """Returns how many passes a table stores for this many: the next multiple of LANES, or one where there is one."""
    return passes if passes == 1 else -(-passes // LANES) * LANES


@compiled()
def place(start: int, offsets: NDArray[np.int64], radices: NDArray[np.int64], digits: NDArray[np.int64]) -> int:
    """Returns the patient row of the candidate id `start`, and writes the candidate's image within the patient, one
    number a modality, to `digits` [M]. `offsets` is [patients + 1], `radices` [patients, M]."""
    patient = np.searchsorted(offsets, start, side="right") - 1
    rest = start - offsets[patient]
    for m in range(len(digits) - 1, -1, -1):
        digits[m] = rest % radices[patient, m]
        rest //= radices[patient, m]
    return int(patient)


@compiled(fastmath=True)
def mean_probabilities(
    start: int,
    stop: int,
    offsets: NDArray[np.int64],
    radices: NDArray[np.int64],
    firsts: NDArray[np.int64],
    powers: NDArray[np.float32],
    logits: NDArray[np.float32],
    logs: NDArray[np.float32],
    out: NDArray[np.float32],
    within: NDArray[np.float32],
) -> None:
    """Writes the softmax averaged over T passes of candidates `start` … `stop` − 1 to `out` [stop − start, K].

    With `logs`, the logarithms of `powers`, it also writes to `within` [stop − start] the mean over passes of each
    pass's entropy log s − Σ e·log e / s in nats, at one logarithm a pass; both are empty where that is not wanted.

    `offsets` [patients + 1] and `radices` [patients, M] are those of the candidate space. `firsts` [patients, M] is the
    table row of a patient's first image of a modality (or of the modality's row for an absent image); `powers`
    [rows, K, padded T] are exp(logits − the image's largest), `logits` [rows, K, T].
    """
    modalities = radices.shape[1]
    classes, width = powers.shape[1], powers.shape[2]
    passes = logits.shape[2]
    prefix = np.empty((classes, width), np.float32)
    normaliser = np.empty(width, np.float32)
    wanted = len(within) > 0
    prefix_logs = np.empty((classes, width), np.float32)
    surprise = np.empty(width, np.float32)
    digits = np.empty(modalities, np.int64)
    extra = np.float32(width - passes) / np.float32(classes)
    share = np.float32(1.0) / np.float32(passes)
    candidate = start
    while candidate < stop:
        patient = place(candidate, offsets, radices, digits)
        product_of_all_but_last(firsts[patient], digits, powers, prefix)
        if wanted:
            sum_of_all_but_last(firsts[patient], digits, logs, prefix_logs)
        last = radices[patient, modalities - 1]
        image = digits[modalities - 1]
        while image < last and candidate < stop:
            row = firsts[patient, modalities - 1] + image
            normaliser[:] = np.float32(0)
            for k in range(classes):
                for t in range(width):
                    normaliser[t] += prefix[k, t] * powers[row, k, t]
            least = np.float32(1e30)
            for t in range(width):
                least = min(least, normaliser[t])
            at = candidate - start
            if least < UNDERFLOW:
                digits[modalities - 1] = image
                entropy = from_logits(firsts[patient], digits, logits, out[at])
                if wanted:
                    within[at] = entropy
            else:
                if wanted:
                    entropy = summed_entropy(prefix, prefix_logs, powers[row], logs[row], normaliser, surprise, passes)
                    within[at] = entropy * share
                for t in range(width):
                    normaliser[t] = np.float32(1) / normaliser[t]
                for k in range(classes):
                    total = np.float32(0)
                    for t in range(width):
                        total += prefix[k, t] * powers[row, k, t] * normaliser[t]
                    out[at, k] = (total - extra) * share
            candidate += 1
            image += 1


@compiled(fastmath=True)
def product_of_all_but_last(
    firsts: NDArray[np.int64], digits: NDArray[np.int64], tables: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Multiplies the tables of a candidate's images in all modalities but the last into `out` [K, padded T]. `firsts`
    [M] are its patient's first table rows, `digits` [M] its images within the patient, `tables` [rows, K, padded T]."""
    out[:] = np.float32(1)
    for m in range(len(digits) - 1):
        row = firsts[m] + digits[m]
        for k in range(out.shape[0]):
            for t in range(out.shape[1]):
                out[k, t] *= tables[row, k, t]


@compiled(fastmath=True)
def sum_of_all_but_last(
    firsts: NDArray[np.int64], digits: NDArray[np.int64], tables: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Adds up the tables of a candidate's images in all modalities but the last in `out` [K, padded T]. `firsts` [M]
    are its patient's first table rows, `digits` [M] its images within the patient, `tables` [rows, K, padded T]."""
    out[:] = np.float32(0)
    for m in range(len(digits) - 1):
        row = firsts[m] + digits[m]
        for k in range(out.shape[0]):
            for t in range(out.shape[1]):
                out[k, t] += tables[row, k, t]


@compiled(fastmath=True)
def summed_entropy(
    prefix: NDArray[np.float32],
    prefix_logs: NDArray[np.float32],
    powers: NDArray[np.float32],
    logs: NDArray[np.float32],
    normaliser: NDArray[np.float32],
    surprise: NDArray[np.float32],
    passes: int,
) -> float:
    """Returns the entropies of a candidate's passes added up, log s − Σ e·log e / s each, in nats.

    `prefix` and `prefix_logs` [K, padded T] are the product over all modalities but the last and its logarithm,
    `powers` and `logs` [K, padded T] those of the last one's image, `normaliser` [padded T] the sums s. `surprise`
    [padded T] is room to work in; `passes` is T without the padding.
    """
    surprise[:] = np.float32(0)
    for k in range(powers.shape[0]):
        for t in range(powers.shape[1]):
            surprise[t] += prefix[k, t] * powers[k, t] * (prefix_logs[k, t] + logs[k, t])
    total = np.float32(0)
    for t in range(passes):
        total += np.log(normaliser[t]) - surprise[t] / normaliser[t]
    return float(total)


@compiled()
def from_logits(
    firsts: NDArray[np.int64], digits: NDArray[np.int64], logits: NDArray[np.float32], out: NDArray[np.float32]
) -> float:
    """Computes one candidate the long way, with logits summed in float64 and each pass's largest subtracted: writes its
    mean stage probabilities to `out` [K] and returns the mean entropy of its passes in nats. `firsts` [M] are its
    patient's first table rows, `digits` [M] its images within the patient, `logits` [rows, K, T]."""
    classes, passes = logits.shape[1], logits.shape[2]
    summed = np.empty(classes, np.float64)
    mean = np.zeros(classes, np.float64)
    entropy = 0.0
    for t in range(passes):
        summed[:] = 0.0
        for m in range(len(digits)):
            for k in range(classes):
                summed[k] += logits[firsts[m] + digits[m], k, t]
        weights = np.exp(summed - summed.max())
        weights /= weights.sum()
        mean += weights
        for k in range(classes):
            if weights[k] > 0.0:
                entropy -= weights[k] * np.log(weights[k])
    for k in range(classes):
        out[k] = mean[k] / passes
    return entropy / passes


@compiled()
def mean_cumulative(
    start: int,
    stop: int,
    offsets: NDArray[np.int64],
    radices: NDArray[np.int64],
    firsts: NDArray[np.int64],
    severities: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    out: NDArray[np.float32],
    within: NDArray[np.float32],
) -> None:
    """Writes the stage probabilities averaged over T passes of candidates `start` … `stop` − 1 to `out`
    [stop − start, K], for the ordinal link: a candidate's images' severities sum to f, and P(stage ≥ k) is
    `σ(f − θ_k)`.

    `within` [stop − start] receives the mean over passes of each pass's entropy in nats; it is empty where that is not
    wanted. `offsets` [patients + 1], `radices` [patients, M], `firsts` [patients, M] the table row of a patient's first
    image of a modality, `severities` [rows, T], `thresholds` θ [K − 1].
    """
    modalities = radices.shape[1]
    classes, passes = len(thresholds) + 1, severities.shape[1]
    digits = np.empty(modalities, np.int64)
    stage = np.empty(classes, np.float64)
    for candidate in range(start, stop):
        patient = place(candidate, offsets, radices, digits)
        at = candidate - start
        out[at] = np.float32(0)
        entropy = 0.0
        for t in range(passes):
            f = 0.0
            for m in range(modalities):
                f += severities[firsts[patient, m] + digits[m], t]
            above = 1.0
            for k in range(classes - 1):
                beyond = 1.0 / (1.0 + np.exp(thresholds[k] - f))
                stage[k] = above - beyond
                above = beyond
            stage[classes - 1] = above
            for k in range(classes):
                out[at, k] += stage[k] / passes
                if stage[k] > 0.0:
                    entropy -= stage[k] * np.log(stage[k])
        if len(within) > 0:
            within[at] = entropy / passes


@compiled()
def spread(
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    offsets: NDArray[np.int64],
    radices: NDArray[np.int64],
    firsts: NDArray[np.int64],
    sums: NDArray[np.float64],
    largest: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Adds candidates' scores to those of their images in place: `sums`, `largest` and `counts` [rows of the tables].
    `ids` and `scores` are [n], `offsets` [patients + 1], `radices` [patients, M], `firsts` [patients, M] the table row
    of a patient's first image of a modality."""
    digits = np.empty(radices.shape[1], np.int64)
    for n in range(len(ids)):
        patient = place(ids[n], offsets, radices, digits)
        for m in range(len(digits)):
            row = firsts[patient, m] + digits[m]
            sums[row] += scores[n]
            largest[row] = max(largest[row], scores[n])
            counts[row] += 1
