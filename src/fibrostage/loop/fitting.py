"""A round of a loop closed: the model fitted to what is known, measured by the audits, and saved for whoever stages."""

from __future__ import annotations

import numpy as np

from fibrostage.campaign.rounds import taught
from fibrostage.campaign.setting import CampaignSetting
from fibrostage.learn.checkpoint import save_network
from fibrostage.ledger.events import Event
from fibrostage.ledger.state import State
from fibrostage.loop.opened import Loop
from fibrostage.results.rounds import Round


def fit(loop: Loop) -> Round:
    """Fits the model to everything that is known, audited patients apart, and opens the next round.

    The network lies in the loop's folder afterwards, where 'predict' finds it. Raises `RunError` where nothing could be
    learned from.
    """
    closed = loop.campaign.close()
    save(loop.setting, loop.state)
    return closed


def stop(loop: Loop, who: str, reason: str) -> Round | None:
    """Ends a loop: nothing more is asked, and the last model learns from the audits too.

    Its figures stay those of the model before, which had not. Returns the round that it closed, where anything is
    known.
    """
    state = loop.campaign.note(Event("stopped", loop.campaign.round, who, payload={"reason": reason}))
    if not (loop.setting.known.size or taught(loop.setting, state)):
        return None
    return fit(loop)


def save(setting: CampaignSetting, state: State) -> None:
    """Writes the fitted network, with the patients it learned from by a state."""
    items = np.array(list(taught(setting, state)), dtype=np.int64)
    learned = np.union1d(np.unique(setting.units.patient_of(items)), np.union1d(setting.known, setting.aside))
    save_network(setting.run.model_file(), setting.learner.network(), setting.plan, setting.cohort, learned)
