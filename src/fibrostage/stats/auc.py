"""The area under the ROC curve with DeLong's variance, for one score or many, rows or clustered rows.

AUC = P(score of a positive > score of a negative) + ½ P(equal), by midranks in O(n log n); variance and
covariance after DeLong et al. 1988, with clusters after Obuchowski 1997 (see `concordance`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.concordance import Concordance, concordance
from fibrostage.stats.estimate import Estimate, undefined

ONE_CUT = np.array([[0.0, 1.0], [0.0, 0.0]])


def check_labels(positive: ArrayLike) -> NDArray[np.bool_]:
    """Returns labels [n] as booleans [n].

    Raises `StatisticsError` where they are no vector, or hold anything but true and false, or 1 and 0.
    """
    labels = np.asarray(positive)
    if labels.ndim != 1:
        raise StatisticsError(f"labels must be a vector, got shape {labels.shape}")
    if labels.dtype == bool:
        return labels
    if labels.dtype.kind not in "iuf" or not np.isin(labels, (0, 1)).all():
        found = np.unique(labels.astype(str))[:5].tolist()
        raise StatisticsError(f"labels must be true or false (1 or 0), got {found}")
    return labels == 1


def check_scores(scores: ArrayLike, n: int) -> NDArray[np.float64]:
    """Returns one score [n], or several [k, n], as a table [k, n].

    Raises `StatisticsError` where a score has another length than `n`, or a value is not finite.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim == 1:
        table = table[None]
    if table.ndim != 2 or table.shape[1] != n:
        raise StatisticsError(f"labels and scores must be equally long vectors, got {(n,)} and {np.shape(scores)}")
    if not np.isfinite(table).all():
        raise StatisticsError(f"{int((~np.isfinite(table)).sum())} of {table.size} scores are not finite")
    return table


def check_binary(positive: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Returns labels `positive` [n] as booleans [n] and the score [n] (of several [k, n], the first) as numbers [n].

    Raises `StatisticsError` where no ROC curve exists for them: lengths differ, a label is not true or false (1 or 0),
    a score is not finite, or there are no positives or no negatives.
    """
    labels = check_labels(positive)
    values = check_scores(scores, len(labels))[0]
    positives = int(labels.sum())
    if positives == 0 or positives == len(labels):
        raise StatisticsError(
            f"an AUC needs positives and negatives, got {positives} positives and {len(labels) - positives} negatives"
        )
    return labels, values


def auc(positive: ArrayLike, scores: ArrayLike) -> float:
    """Computes the AUC of scores [n] for labels `positive` [n]; a tie counts half.

    Raises `StatisticsError` where lengths differ, a label is not true or false (1 or 0), a score is not finite, or
    there are no positives or no negatives.
    """
    labels, values = check_binary(positive, scores)
    m = int(labels.sum())
    ranks = rankdata(values)
    return float((ranks[labels].sum() - m * (m + 1) / 2) / (m * (len(labels) - m)))


def delong(positive: ArrayLike, scores: ArrayLike, clusters: ArrayLike | None = None) -> Concordance:
    """Computes the AUCs of scores [n] or [k, n] for labels `positive` [n], with their covariance.

    `clusters` [n] names the patient of each row. Raises `StatisticsError` where there are not two positives and two
    negatives (patients, when clustered), lengths differ, a label is not true or false (1 or 0), or a score is not
    finite.
    """
    labels = check_labels(positive)
    table = check_scores(scores, len(labels))
    m, n = int(labels.sum()), int((~labels).sum())
    if min(m, n) < 2:
        raise StatisticsError(
            f"the variance of an AUC needs two positives and two negatives, got {m} positives and {n} negatives"
        )
    if clusters is not None:
        clusters = check_clusters(clusters, len(labels))
        m, n = len(np.unique(clusters[labels])), len(np.unique(clusters[~labels]))
        if min(m, n) < 2:
            raise StatisticsError(
                f"a clustered variance needs two patients with positives and two with negatives, got {m} and {n}"
            )
    return concordance(labels.astype(np.int64), table, ONE_CUT, clusters)


def check_clusters(clusters: ArrayLike, n: int) -> NDArray[np.generic]:
    """Returns `clusters` [n], the patient of each row, as an array; raises `StatisticsError` for another shape."""
    names = np.asarray(clusters)
    if names.shape != (n,):
        raise StatisticsError(f"clusters must name the patient of each of {n} rows, got shape {names.shape}")
    return names


def auc_interval(
    positive: ArrayLike, scores: ArrayLike, confidence: float = 0.95, clusters: ArrayLike | None = None
) -> Estimate:
    """Computes the AUC of scores [n] for labels `positive` [n], with DeLong's normal interval cut to 0–1.

    `clusters` [n] names the patient of each row. Without spread (perfect separation, say) the interval is Newcombe's,
    and `why` says so. Raises `StatisticsError` where `delong` does, or `confidence` does not lie between 0 and 1.
    """
    return delong(positive, scores, clusters).interval(0, confidence)


def auc_or_why(
    positive: ArrayLike, scores: ArrayLike, confidence: float = 0.95, clusters: ArrayLike | None = None
) -> Estimate:
    """Computes the AUC of scores [n] for labels `positive` [n] with DeLong's interval, or says why there is none.

    `clusters` [n] names the patient of each row. Raises no `StatisticsError`: whatever `auc_interval` would raise, the
    value is None and `why` holds the message.
    """
    try:
        return auc_interval(positive, scores, confidence, clusters)
    except StatisticsError as error:
        return undefined(str(error))
