"""Simulated patients: stiffness, laboratory values and the latent state that their pictures show.

Per stage, medians and log-SDs of log-normals that share a latent necro-inflammation, which raises AST and ALT
and nudges stiffness. Calibrated to published AUCs in chronic hepatitis B, not copied from one table. In logs a
patient's state is multivariate normal given the stage; the ceilings (`phantom.ceiling`) rest on that. How modalities
share what they show is the model's (`phantom.populations`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.stage import METAVIR
from fibrostage.phantom.populations import DISTINCT, Population
from fibrostage.phantom.sites import draw_sites

STAGES = len(METAVIR.classes)
PAPER_COUNTS = (41, 51, 31, 27, 18)  # MMFN paper §2.2, patients F0…F4

# per stage F0…F4: medians [kPa or U/L] and SDs of the logarithm
SWE = ((5.5, 6.1, 7.3, 8.6, 12.0), (0.20, 0.25, 0.28, 0.30, 0.34))
TE = ((5.2, 5.9, 7.2, 9.2, 14.5), (0.26, 0.30, 0.34, 0.38, 0.46))
STQ = ((6.4, 7.3, 9.0, 11.0, 16.5), (0.30, 0.34, 0.37, 0.40, 0.45))
SPLEEN = ((16.0, 16.8, 18.5, 21.0, 27.0), (0.20, 0.21, 0.24, 0.27, 0.33))
AST = ((29.0, 31.0, 35.0, 39.0, 42.0), (0.45, 0.48, 0.50, 0.50, 0.48))
ALT = ((36.0, 40.0, 46.0, 47.0, 42.0), (0.60, 0.60, 0.65, 0.65, 0.60))
GGT = ((24.0, 27.0, 33.0, 40.0, 48.0), (0.58, 0.60, 0.62, 0.62, 0.62))
PLATELETS = ((200.0, 195.0, 184.0, 170.0, 142.0), (50.0, 50.0, 52.0, 52.0, 50.0))  # mean, SD
PLATELET_LIMITS = (35.0, 420.0)
AGE = ((37.0, 38.5, 40.5, 43.0, 47.0), 10.0)  # means, SD
AGE_LIMITS = (18.0, 85.0)
AST_ULN, GGT_ULN = 40.0, 60.0  # U/L, the simulated laboratory's upper limits of normal

# share of each latent that comes from inflammation, and of each stiffness from liver stiffness
INFLAMMATION = {"swe": 0.30, "ast": 0.88, "alt": 0.88, "ggt": 0.45}
STIFFNESS = {"te": 0.70, "spleen": 0.35}  # of point measurements, see `populations`

# what pictures show beyond their stiffness
MAP_CV = ((0.08, 0.10, 0.13, 0.17, 0.24), 0.45)  # within-map variation: medians, log-SD over patients
REMODELLING = (-1.0, -0.6, 0.0, 0.6, 1.3)  # mean of the B-mode latent, times `bmode_signal`; its SD is 1


@dataclass(frozen=True)
class Patients:
    """n simulated patients; every array is [n].

    Stiffness is in kPa: that of the liver which elastograms show (`stiffness`), that of the spot which point
    measurements show (`point`), and what tables have (`swe`, `te`, `stq`, `spleen`). `ast`, `alt` and `ggt` are in U/L,
    `platelets` in 1e9/L, `age` in years, `site` a position in SITES. `remodelling` is what B-mode texture shows of
    fibrosis, `underlay` the texture beneath boxes.
    """

    stage: NDArray[np.int64]
    swe: NDArray[np.float64]
    stiffness: NDArray[np.float64]
    point: NDArray[np.float64]
    site: NDArray[np.int64]
    underlay: NDArray[np.float64]
    te: NDArray[np.float64]
    stq: NDArray[np.float64]
    spleen: NDArray[np.float64]
    ast: NDArray[np.float64]
    alt: NDArray[np.float64]
    ggt: NDArray[np.float64]
    platelets: NDArray[np.float64]
    age: NDArray[np.float64]
    female: NDArray[np.bool_]
    map_cv: NDArray[np.float64]
    spleen_cv: NDArray[np.float64]
    remodelling: NDArray[np.float64]
    steatosis: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.stage)


def draw_stages(count: int, rng: np.random.Generator, weights: tuple[int, ...] = PAPER_COUNTS) -> NDArray[np.int64]:
    """Returns stage indices [count] in the proportions of `weights`, as exactly as can be, in random order."""
    exact = np.array(weights) / sum(weights) * count
    counts = np.floor(exact).astype(int)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: count - counts.sum()]] += 1
    return rng.permutation(np.repeat(np.arange(len(weights)), counts))


def draw_patients(
    stage: NDArray[np.int64], bmode_signal: float, rng: np.random.Generator, model: Population = DISTINCT
) -> Patients:
    """Draws the state of patients of the stages `stage` [n].

    `bmode_signal` multiplies what the stage shows in B-mode texture; at 0 it shows nothing. What only some models draw
    is drawn last, so that a seed means the same cohort in every version.
    """
    n = len(stage)
    inflammation = rng.standard_normal(n)

    def with_share(share: float, of: NDArray[np.float64]) -> NDArray[np.float64]:
        return share * of + np.sqrt(1 - share**2) * rng.standard_normal(n)

    def lognormal(table: tuple[tuple[float, ...], tuple[float, ...]], z: NDArray[np.float64]) -> NDArray[np.float64]:
        medians, sds = np.array(table[0]), np.array(table[1])
        return np.asarray(medians[stage] * np.exp(sds[stage] * z))

    def parted(
        table: tuple[tuple[float, ...], tuple[float, ...]], z: NDArray[np.float64], kept: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What is of the organ, and a noisy reading of it that spreads as the table says."""
        if kept == 1:
            return lognormal(table, z), lognormal(table, z)
        noise = np.sqrt(1 - kept**2) * rng.standard_normal(n)
        return lognormal(table, kept * z), lognormal(table, kept * z + noise)

    swe_z = with_share(INFLAMMATION["swe"], inflammation)
    platelets = np.array(PLATELETS[0])[stage] + np.array(PLATELETS[1])[stage] * rng.standard_normal(n)
    age = np.array(AGE[0])[stage] + AGE[1] * rng.standard_normal(n)
    te = lognormal(TE, with_share(STIFFNESS["te"], swe_z))
    point_z = with_share(model.point_shared, swe_z)
    known: dict[str, Any] = {
        "stage": stage,
        "te": te,
        "spleen": lognormal(SPLEEN, with_share(STIFFNESS["spleen"], swe_z)),
        "ast": lognormal(AST, with_share(INFLAMMATION["ast"], inflammation)),
        "alt": lognormal(ALT, with_share(INFLAMMATION["alt"], inflammation)),
        "ggt": lognormal(GGT, with_share(INFLAMMATION["ggt"], inflammation)),
        "platelets": np.clip(platelets, *PLATELET_LIMITS),
        "age": np.clip(age, *AGE_LIMITS),
        "female": rng.random(n) < 0.35,
        "map_cv": np.array(MAP_CV[0])[stage] * np.exp(MAP_CV[1] * rng.standard_normal(n)),
        "spleen_cv": 0.12 * np.exp(0.3 * rng.standard_normal(n)),
        "remodelling": bmode_signal * model.texture * np.array(REMODELLING)[stage] + rng.standard_normal(n),
        "steatosis": np.clip(rng.normal(0.0, 1.0, n), -1.5, 2.5),
    }
    stiffness, swe = parted(SWE, swe_z, model.stiffness_kept)
    point, stq = parted(STQ, point_z, model.point_kept)
    return Patients(
        **known,
        swe=swe,
        stq=stq,
        stiffness=stiffness,
        point=point,
        site=draw_sites(n, rng) if model.sites else np.zeros(n, dtype=np.int64),
        underlay=known["remodelling"] if model.underlay else rng.standard_normal(n),
    )
